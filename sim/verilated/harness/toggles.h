// Exact toggle counts of every bit of a model's state, at about one addition for each 64 bytes of
// it that change in a cycle.
//
// Counters are bit-sliced: plane k holds bit k of the counter of every state bit, so counting a
// whole block of toggles is a carry-save addition. A level is added to only when two values wait
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

// What flip-flops were, to see whether any changes.
class Stillness {
  public:
    explicit Stillness(const StateMap &map) : map_(map), last_(map.blocks().size() * kBlock) {}
    void capture(const void *object) {
        for (size_t b = 0; b < map_.blocks().size(); b++)
            memcpy(&last_[b * kBlock], at(object, b), kBlock);
    }
    // Number of the first one that has changed, or -1; whether flags have does not matter.
    int changed(const void *object) const {
        bool same = true;
        for (size_t b = 0; b < map_.blocks().size(); b++)
            same = same && !memcmp(&last_[b * kBlock], at(object, b), kBlock);
        if (same) return -1;
        int number = 0;
        for (const FlipFlop &f : map_.flip_flops()) {
            for (uint32_t k = 0; k < f.bits && !f.flag; k++) {
                uint32_t byte = f.offset + k / 8;
                uint8_t now = static_cast<const uint8_t *>(object)[byte];
                if ((now ^ last_[map_.position(byte)]) >> k % 8 & 1) return number;
            }
            number++;
        }
        return -1;
    }

  private:
    static constexpr size_t kBlock = 64;
    const uint8_t *at(const void *object, size_t block) const {
        return static_cast<const uint8_t *>(object) + map_.blocks()[block];
    }
    const StateMap &map_;
    std::vector<uint8_t> last_;
};

class ToggleCounter {
  public:
    ToggleCounter(const StateMap &map, const void *object)
        : map_(map), object_(static_cast<const uint8_t *>(object)), blocks_(map.blocks().size()),
          totals_(map.bits()) {
        capture();
    }

    // Forget the toggles between the last cycle counted and now.
    void capture() {
        for (size_t b = 0; b < blocks_.size(); b++)
            memcpy(&blocks_[b].last, object_ + map_.blocks()[b], sizeof(Bits));
    }

    // Count what has changed since the last call.
    void cycle() {
        const uint32_t *offsets = map_.blocks().data();
        for (size_t b = 0, n = blocks_.size(); b < n; b++) {
            Bits now;
            memcpy(&now, object_ + offsets[b], sizeof now);
            Bits toggled = now ^ blocks_[b].last;
            if (none(toggled)) continue;
            blocks_[b].last = now;
            blocks_[b].add(toggled);
        }
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

    // 64 bytes of state: a register where the processor has such.
    typedef uint64_t Bits __attribute__((vector_size(64)));

    static bool none(Bits bits) {
        bits |= __builtin_shuffle(bits, Bits{4, 5, 6, 7, 0, 1, 2, 3});
        bits |= __builtin_shuffle(bits, Bits{2, 3, 0, 1, 6, 7, 4, 5});
        return !(bits[0] | bits[1]);
    }

    // What is counted of one block.
    struct Block {
        Bits last{}, planes[kPlanes]{}, waiting[kPlanes]{};
        uint32_t added = 0;  // values so far; bit k tells whether one waits at level k

        // Add a value and one that waits to the plane of its level; the carry goes one level up.
        void add(Bits value) {
            int level = 0;
            for (; added >> level & 1; level++) {
                Bits other = waiting[level] ^ value, both = waiting[level] & value;
                Bits carry = both | (other & planes[level]);
                planes[level] ^= other;
                value = carry;
            }
            waiting[level] = value;
            added++;
        }

        // How often bit k of byte `at` was set in the values added.
        uint64_t sum(size_t at, uint32_t k) const {
            uint64_t sum = 0;
            for (int level = 0; level < kPlanes; level++) {
                sum += uint64_t(bit(planes[level], at, k)) << level;
                // A waiting value of level n counts 2^n, as its plane does.
                if (added >> level & 1) sum += uint64_t(bit(waiting[level], at, k)) << level;
            }
            return sum;
        }

        void clear() {
            std::fill(planes, planes + kPlanes, Bits{});
            added = 0;
        }
    };

    static bool bit(const Bits &bits, size_t at, uint32_t k) {
        return reinterpret_cast<const uint8_t *>(&bits)[at] >> k & 1;
    }

    void flush() {
        size_t number = 0;
        for (const FlipFlop &ff : map_.flip_flops())
            for (uint32_t k = 0; k < ff.bits; k++, number++) {
                size_t at = map_.position(ff.offset + k / 8);
                const Block &block = blocks_[at / 64];
                if (block.added) totals_[number] += block.sum(at % 64, k % 8);
            }
        for (Block &block : blocks_)
            if (block.added) block.clear();
        cycles_ += pending_;
        pending_ = 0;
    }

    const StateMap &map_;
    const uint8_t *object_;
    std::vector<Block> blocks_;
    std::vector<uint64_t> totals_, taken_;
    uint32_t pending_ = 0;  // cycles since the last flush
    uint64_t cycles_ = 0;
};

}  // namespace partita
