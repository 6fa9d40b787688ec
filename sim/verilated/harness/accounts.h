// Toggles of the flip-flop bits of each unit, an instance or the shell, by layer.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "toggles.h"

namespace partita {

class Accounts {
  public:
    // Of a unit in a layer: toggles of each bit, in so many cycles.
    struct Entry {
        std::vector<uint64_t> per_bit;
        uint64_t cycles = 0;
    };
    struct Unit {
        const StateMap &map;
        const void *object;
    };

    // Count these units from now on, or nothing if there are none.
    void count(const std::vector<Unit> &units) {
        counters_.clear();
        for (const Unit &unit : units)
            counters_.push_back(std::make_unique<ToggleCounter>(unit.map, unit.object));
    }
    bool on() const { return !counters_.empty(); }
    void cycle(int unit) { counters_[unit]->cycle(); }

    void begin() {
        for (auto &counter : counters_) {
            counter->take();
            counter->capture();
            counter->reset_cycles();
        }
        entries_.clear();
    }
    // What each unit did after its last mark belongs to this layer.
    void end(uint32_t layer) {
        for (size_t unit = 0; unit < counters_.size(); unit++) book(int(unit), layer);
    }
    // What a unit has done since it was booked last belongs to this layer.
    void book(int unit, uint32_t layer) {
        const std::vector<uint64_t> &fresh = counters_[unit]->take();
        Entry &entry = entries_[{unit, layer}];
        if (entry.per_bit.empty()) entry.per_bit.resize(fresh.size());
        for (size_t k = 0; k < fresh.size(); k++) entry.per_bit[k] += fresh[k];
        entry.cycles += counters_[unit]->cycles();
        counters_[unit]->reset_cycles();
    }
    // Null where nothing was counted.
    const Entry *of(int unit, uint32_t layer) const {
        auto found = entries_.find({unit, layer});
        return found == entries_.end() ? nullptr : &found->second;
    }

  private:
    std::vector<std::unique_ptr<ToggleCounter>> counters_;
    std::map<std::pair<int, uint32_t>, Entry> entries_;
};

}  // namespace partita
