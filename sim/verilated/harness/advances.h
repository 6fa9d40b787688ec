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
        : object_(static_cast<const uint8_t *>(object)), last_(map.blocks().size() * 64),
          blocks_(map.blocks()), inside_(map.blocks().size()) {
        size_t number = 0;
        for (const FlipFlop &f : map.flip_flops()) {
            if (units[number] < 32 && !f.flag)
                for (uint32_t k = 0; k < (f.bits + 7) / 8; k++) {
                    size_t at = map.position(f.offset + k);
                    inside_[at / 64].push_back({uint8_t(at % 64), units[number], number});
                }
            number++;
        }
        for (size_t b = 0; b < blocks_.size(); b++)
            memcpy(&last_[64 * b], object_ + blocks_[b], 64);
    }

    // After a clock edge: `advanced` has a bit for each unit that said so in the cycle that has
    // ended. Returns the number of a flip-flop that changed though none was near, or -1.
    long cycle(uint32_t advanced) {
        long found = -1;
        if (uint32_t silent = changed_ & ~(before_ | said_ | advanced))
            found = long(number_[__builtin_ctz(silent)]);
        before_ = said_;
        said_ = advanced;
        changed_ = 0;
        for (size_t b = 0; b < blocks_.size(); b++) {
            const uint8_t *now = object_ + blocks_[b];
            uint8_t *last = &last_[64 * b];
            if (!memcmp(now, last, 64)) continue;
            for (const Byte &byte : inside_[b])
                if (now[byte.at] != last[byte.at]) {
                    changed_ |= 1u << byte.unit;
                    number_[byte.unit] = byte.number;
                }
            memcpy(last, now, 64);
        }
        return found;
    }

  private:
    struct Byte {
        uint8_t at, unit;
        size_t number;
    };
    const uint8_t *object_;
    std::vector<uint8_t> last_;
    std::vector<uint32_t> blocks_;
    std::vector<std::vector<Byte>> inside_;
    uint32_t changed_ = 0, said_ = ~0u, before_ = ~0u;  // units; of the last cycle, and before it
    size_t number_[32] = {};
};

}  // namespace partita
