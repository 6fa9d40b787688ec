// What each cycle of a core went to, found from what its units show, beside what the core counts.
//
// The causes are those of `Cause` in hw/isa.py, and so is what they mean. A core that sleeps shows
// what it showed last.
#pragma once
#include <array>
#include <cstdint>

namespace partita {

enum Cause { COMPUTE, WEIGHTS, ACTS, PORT, BARRIER, DRAIN, IDLE, kCauses };

// What a core and its units show in a cycle.
struct Shown {
    bool alive;     // a program runs, and does not halt
    bool fires;     // the array takes a vector
    bool starves;   // a vector waits for weights
    bool bank;      // compute waits for a bank of accumulators
    bool meets;     // at a barrier
    bool asks;      // a read request waits for the memory port
    bool computes, loads, posts, stores;  // the unit has work
};

inline Cause cause_of(const Shown &s) {
    if (!s.alive) return IDLE;
    if (s.fires) return COMPUTE;
    Cause memory = s.asks ? PORT : s.starves ? WEIGHTS : ACTS;
    if (s.starves) return memory;
    if (s.bank) return DRAIN;
    if (s.meets) return BARRIER;
    bool rest = s.posts || s.stores;
    return rest && !s.computes && !s.loads ? DRAIN : memory;
}

// Cycles of the run under way, or else of the last one, by core and cause.
template <int kCores>
class Causes {
  public:
    void clear() { counts_ = {}; }
    void add(int core, const Shown &s) { counts_[core][cause_of(s)]++; }
    const uint64_t *of(int core) const { return counts_[core].data(); }

  private:
    std::array<std::array<uint64_t, kCauses>, kCores> counts_{};
};

}  // namespace partita
