// What each instance may do to the external memory: the window of its run, as the host has written
// it to the registers, and the places of the program's outputs, as the driver has told.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "axi.h"

namespace partita {

// Bytes from `begin` on, `end` not among them; `end` is 0 of nothing.
struct Span {
    uint64_t begin = 0, end = 0;
    bool holds(uint64_t first, uint64_t last) const { return first >= begin && last < end; }
};

// Where `hw.registers` has what the permits follow from: offsets of instances, and within one.
struct RegisterMap {
    uint32_t base, stride, program, window_base, window_bytes;
};
constexpr RegisterMap kRegisters{PARTITA_REGISTERS};

class Permits {
  public:
    // The host's writes to registers: one is taken, and is answered later. One that comes while
    // instances run, or ran a cycle ago, has no effect, and neither has one that is refused.
    void take(uint32_t addr, uint32_t value) {
        written_ = {addr, value};
        counts_ = !going_ && addr >= kRegisters.base;
    }
    void answer(uint32_t response) {
        if (counts_ && !response) write(written_[0] - kRegisters.base, written_[1]);
        counts_ = false;
    }

    // A cycle in which these instances run; windows count from the start of a run on.
    void follow(uint32_t running) {
        for (uint32_t begun = running & ~running_; begun; begun &= begun - 1) {
            Instance &mine = instances_[__builtin_ctz(begun)];
            mine.window = {mine.base, uint64_t(mine.base) + mine.bytes};
        }
        going_ = running_ | running;
        running_ = running;
    }

    // All instances have programs that write only the places given from now on.
    void guard() {
        places_.clear();
        for (Instance &each : instances_) each.guarded = true;
    }
    void place(uint32_t layer, Span where) {
        if (places_.size() <= layer) places_.resize(layer + 1);
        places_[layer] = where;
    }

    const Span &window(uint32_t instance) const { return instances_[instance].window; }
    // The instance's program may write these bytes for a layer.
    bool may_write(uint32_t instance, uint32_t layer, uint64_t first, uint64_t last) const {
        return !instances_[instance].guarded
            || (layer < places_.size() && places_[layer].holds(first, last));
    }
    uint32_t running() const { return running_; }

    // The accelerator has been reset.
    void forget() { *this = {}; }

  private:
    void write(uint32_t offset, uint32_t value) {
        uint32_t number = offset / kRegisters.stride, which = offset % kRegisters.stride;
        if (number >= kInstances) return;
        Instance &mine = instances_[number];
        if (which == kRegisters.window_base) mine.base = value & ~4095u;
        else if (which == kRegisters.window_bytes) mine.bytes = value;
        else if (which == kRegisters.program) mine.guarded = false;
    }

    struct Instance {
        uint32_t base = 0, bytes = 0;  // as written
        Span window;                   // of the run
        bool guarded = false;
    };
    std::array<Instance, kInstances> instances_;
    std::vector<Span> places_;  // by layer
    uint32_t running_ = 0;
    bool going_ = false;
    std::array<uint32_t, 2> written_{};  // the write that is not answered yet: address, value
    bool counts_ = false;
};

}  // namespace partita
