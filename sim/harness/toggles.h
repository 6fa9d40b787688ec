// Exact toggle counts of every bit of a model's state, at about one addition per word and cycle.
//
// Counters are bit-sliced: plane k holds bit k of the counter of every state bit, so counting a
// whole word of toggles is a carry-save addition. A level is added to only when two values wait
// for it (Harley and Seal), so a plane is touched half as often as the one below. 16 planes are
// flushed into plain counters at the end of each layer, or after 65,535 cycles.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace partita {

struct FlipFlop {
    uint32_t offset, bits;  // bytes from the start of the object; width
    bool flag;              // counts writes; the hardware has none
};

// Where the flip-flops of a class lie: found once, used for each of its objects.
class StateMap {
  public:
    StateMap(const FlipFlop *table, size_t count) : flip_flops_(table, table + count) {
        std::vector<uint8_t> used;
        for (const FlipFlop &f : flip_flops_) {
            bits_ += f.bits;
            size_t end = f.offset + (f.bits + 7) / 8;
            if (used.size() < end) used.resize(end, 0);
            for (size_t k = f.offset; k < end; k++) used[k] = 1;
        }
        // Watch 64-byte blocks that hold any flip-flop; other state in them is not reported.
        for (size_t block = 0; block * 64 < used.size(); block++)
            for (size_t k = block * 64; k < std::min(used.size(), block * 64 + 64); k++)
                if (used[k]) {
                    slot_.resize(block + 1, -1);
                    slot_[block] = int(blocks_.size());
                    blocks_.push_back(uint32_t(block * 64));
                    break;
                }
    }
    const std::vector<uint32_t> &blocks() const { return blocks_; }
    const std::vector<FlipFlop> &flip_flops() const { return flip_flops_; }
    uint64_t bits() const { return bits_; }
    // Position of a byte of the object among the watched blocks.
    size_t position(uint32_t offset) const {
        return size_t(slot_[offset / 64]) * 64 + offset % 64;
    }

  private:
    std::vector<FlipFlop> flip_flops_;
    std::vector<uint32_t> blocks_;
    std::vector<int> slot_;
    uint64_t bits_ = 0;
};

class ToggleCounter {
  public:
    ToggleCounter(const StateMap &map, const void *object)
        : map_(map), object_(static_cast<const uint8_t *>(object)),
          words_(map.blocks().size() * 8), last_(words_), waiting_(kPlanes * words_),
          planes_(kPlanes * words_), scratch_(words_), totals_(map.bits()) {
        capture();
    }

    // Forget the toggles between the last cycle counted and now.
    void capture() {
        for (size_t b = 0; b < map_.blocks().size(); b++)
            memcpy(&last_[b * 8], object_ + map_.blocks()[b], 64);
    }

    // Count what has changed since the last call.
    void cycle() {
        uint64_t *__restrict fresh = (pending_ & 1) ? scratch_.data() : waiting_.data();
        const uint32_t *blocks = map_.blocks().data();
        for (size_t b = 0, n = map_.blocks().size(); b < n; b++) {
            uint64_t now[8];
            memcpy(now, object_ + blocks[b], 64);
            uint64_t *__restrict last = &last_[b * 8];
            uint64_t *__restrict out = &fresh[b * 8];
            for (int k = 0; k < 8; k++) {
                out[k] = now[k] ^ last[k];
                last[k] = now[k];
            }
        }
        for (int level = 0; pending_ >> level & 1; level++) add(level);
        if (++pending_ == (1u << kPlanes) - 1) flush();
    }

    // Toggles of each flip-flop bit since the last call, flip-flops in order, bit 0 first.
    const std::vector<uint64_t> &take() {
        flush();
        taken_.swap(totals_);
        totals_.assign(taken_.size(), 0);
        return taken_;
    }
    uint64_t cycles() const { return cycles_ + pending_; }
    void reset_cycles() { cycles_ = -uint64_t(pending_); }

  private:
    static constexpr int kPlanes = 16;

    // Add the waiting and the fresh value of a level to its plane; the carry goes one level up.
    void add(int level) {
        const uint64_t *a = &waiting_[level * words_];
        const uint64_t *b = scratch_.data();
        uint64_t *s = &planes_[level * words_];
        bool park = !(pending_ >> (level + 1) & 1);
        uint64_t *carry = park ? &waiting_[(level + 1) * words_] : scratch_.data();
#pragma GCC ivdep
        for (size_t k = 0; k < words_; k++) {
            uint64_t x = a[k], y = b[k], z = s[k], u = x ^ y;
            s[k] = u ^ z;
            carry[k] = (x & y) | (u & z);
        }
    }

    void flush() {
        // A waiting value of level k counts 2^k, as its plane does.
        size_t bit = 0;
        for (const FlipFlop &ff : map_.flip_flops())
            for (uint32_t k = 0; k < ff.bits; k++, bit++) {
                size_t at = map_.position(ff.offset + k / 8);
                uint64_t sum = 0;
                for (int level = 0; level < kPlanes; level++) {
                    sum += uint64_t(byte(planes_, level, at) >> (k % 8) & 1) << level;
                    if (pending_ >> level & 1)
                        sum += uint64_t(byte(waiting_, level, at) >> (k % 8) & 1) << level;
                }
                totals_[bit] += sum;
            }
        std::fill(planes_.begin(), planes_.end(), 0);
        cycles_ += pending_;
        pending_ = 0;
    }

    uint8_t byte(const std::vector<uint64_t> &planes, int level, size_t at) const {
        return reinterpret_cast<const uint8_t *>(&planes[level * words_])[at];
    }

    const StateMap &map_;
    const uint8_t *object_;
    size_t words_;
    std::vector<uint64_t> last_, waiting_, planes_, scratch_;
    std::vector<uint64_t> totals_, taken_;
    uint32_t pending_ = 0;
    uint64_t cycles_ = 0;
};

}  // namespace partita
