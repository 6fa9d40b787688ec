// Holds the units of a core to what they tell of themselves: a register of one changes only within
// a cycle of one in which its `advances` is 1 (hw/gateware/progress.py).
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

#include "toggles.h"

namespace partita {

class AdvanceCheck {
  public:
    // `units` says of each flip-flop which unit's it is; more than 31 for none's.
    AdvanceCheck(const StateMap &map, const uint8_t *units, const void *object)
        : map_(map), units_(units), object_(static_cast<const uint8_t *>(object)),
          last_(map.blocks().size()), shares_(map.blocks().size()) {
        for_each_byte([&](size_t at, uint8_t unit, long) { share(at / 64, unit)[at % 64] = 0xff; });
        for (size_t b = 0; b < last_.size(); b++) last_[b] = now(b);
    }

    // After a clock edge: `advanced` has a bit for each unit that said so in the cycle that has
    // ended. Returns the number of a flip-flop that changed though none was near, or -1.
    long cycle(uint32_t advanced) {
        long found = -1;
        if (uint32_t silent = changed_ & ~(before_ | said_ | advanced))
            found = number(__builtin_ctz(silent));
        before_ = said_;
        said_ = advanced;
        changed_ = 0;
        for (size_t b = 0; b < last_.size(); b++) {
            Block value = now(b), differ = value ^ last_[b];
            if (!any(differ)) continue;
            for (const Share &share : shares_[b])
                if (any(differ & share.bytes)) {
                    changed_ |= 1u << share.unit;
                    where_[share.unit] = {b, differ};
                }
            last_[b] = value;
        }
        return found;
    }

  private:
    typedef uint8_t Block __attribute__((vector_size(64)));
    struct Share {  // a unit's bytes of a block
        uint8_t unit;
        Block bytes;
    };
    struct Change {
        size_t block;
        Block differ;
    };

    static bool any(const Block &bytes) {
        uint64_t words[8], all = 0;
        memcpy(words, &bytes, sizeof words);
        for (uint64_t word : words) all |= word;
        return all;
    }
    Block now(size_t block) const {
        Block value;
        memcpy(&value, object_ + map_.blocks()[block], sizeof value);
        return value;
    }
    Block &share(size_t block, uint8_t unit) {
        for (Share &s : shares_[block])
            if (s.unit == unit) return s.bytes;
        return shares_[block].emplace_back(Share{unit, Block{}}).bytes;
    }
    // Call with each byte of a unit's flip-flops: its position, the unit, the flip-flop's number.
    template <class Call>
    void for_each_byte(Call call) const {
        long number = 0;
        for (const FlipFlop &f : map_.flip_flops()) {
            if (units_[number] < 32 && !f.flag)
                for (uint32_t k = 0; k < (f.bits + 7) / 8; k++)
                    call(map_.position(f.offset + k), units_[number], number);
            number++;
        }
    }
    // Of a flip-flop of a unit that changed last.
    long number(uint8_t unit) const {
        const Change &change = where_[unit];
        long found = -1;
        for_each_byte([&](size_t at, uint8_t owner, long number) {
            if (owner == unit && at / 64 == change.block && change.differ[at % 64]) found = number;
        });
        return found;
    }

    const StateMap &map_;
    const uint8_t *units_;
    const uint8_t *object_;
    std::vector<Block> last_;
    std::vector<std::vector<Share>> shares_;
    uint32_t changed_ = 0, said_ = ~0u, before_ = ~0u;  // units; of the last cycle, and before it
    Change where_[32] = {};
};

}  // namespace partita
