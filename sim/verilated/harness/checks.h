// What is looked at in runs with checks: that cores do what they say, and nothing else.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "advances.h"
#include "causes.h"
#include "machine.h"

namespace partita {

class CoreChecks {
  public:
    // What is found wrong goes into `fault`.
    CoreChecks(const Machine &machine, const StateMap &map, std::string &fault)
        : machine_(machine), map_(map), fault_(fault), still_(map) {}

    // Before a core gets its inputs.
    void listen(int i) {
        if (!core_hears(i, *machine_.shell, *machine_.cores[i])) look_again_[i] = 0;
    }
    // A core has been evaluated with its inputs, before the edge of its clock.
    void settled(int i) {
        if (!core_agrees(i, *machine_.shell, *machine_.cores[i]))
            fault_ = "a core output depends on a core input within a cycle";
    }

    // Whoever dozes and has no clock would not change if it had one. While it hears nothing new but
    // how long it has slept, that is looked at in some cycles.
    void sleepers_stay(uint32_t clocks) {
        for (int i = 0; i < kCores; i++) {
            CoreState *root = machine_.cores[i];
            bool sleeps = !(clocks >> i & 1) && is_dozing(*root);
            if (!sleeps) look_again_[i] = 0;
            if (!sleeps || look_again_[i]-- > 0) continue;
            look_again_[i] = kUnseen;
            still_.capture(root);
            rise(&root, &root + 1);
            int number = still_.changed(root);
            if (number >= 0)
                fault_ = "register " + std::to_string(number) + " of a core changes asleep";
            if (!core_agrees(i, *machine_.shell, *root))
                fault_ = "an output of a core changes asleep";
        }
    }

    // A cycle counts where any core runs.
    void find_causes() {
        if (!kShows || !machine_.shell->running) return void(ran_ = false);
        if (!ran_) causes.clear();
        ran_ = true;
        for (int i = 0; i < kCores; i++) causes.add(i, shown(*machine_.cores[i]));
    }

    // After the edge of the clocks of these cores: no unit's registers change without its saying so.
    void units_tell(const std::vector<int> &clocked) {
        if (advances_.empty())
            for (auto &c : machine_.cores) advances_.emplace_back(map_, kUnitOf, c);
        for (int i : clocked) {
            long number = advances_[i].cycle(advanced(*machine_.cores[i]));
            if (number >= 0)
                fault_ = "register " + std::to_string(number)
                    + " of a core changes though its unit does not advance";
        }
    }
    // A cycle in which nothing is looked at: what units said before it does not matter.
    void rest() { advances_.clear(); }

    Causes<kCores> causes;

  private:
    // Cycles between two looks at a core that sleeps; 17 apart, they see each low digit of how long.
    static constexpr int kUnseen = 16;

    const Machine &machine_;
    const StateMap &map_;
    std::string &fault_;
    Stillness still_;  // of a core that sleeps
    std::array<int, kCores> look_again_{};  // cycles until a core that sleeps is looked at
    std::vector<AdvanceCheck> advances_;
    bool ran_ = false;  // a core, in the cycle before
};

}  // namespace partita
