// What passes between the accelerator's AXI4 ports and a memory in one cycle, and how it is counted.
//
// A memory is a class `MemoryPort`: the model of `memory.h`, or one that wraps a memory in Verilog
// (the macro PARTITA_MEMORY names its header). `drive` returns what a port's slave side drives in a
// cycle, `edge` takes what happened at the clock edge, `poke` and `peek` are the host's accesses.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace partita {

// What a memory does wrong, to see what becomes of it: counts are of all ports, from when it was
// told on, and 0 is none.
struct Disturbance {
    uint64_t read_error = 0, write_error = 0;  // the beat, or the burst, answered with an error
    uint64_t stalled_ack = 0;                  // the acknowledgement that comes later by
    uint32_t stall_cycles = 0;                 // so many cycles, and all others by
    uint32_t ack_delay = 0;                    // so many
    // Bus tags and address of the last beat or burst that was answered with an error.
    uint64_t hits = 0, hit_addr = 0;
    uint32_t hit_user = 0;

    static bool now(uint64_t &count) { return count && !--count; }
    bool hit(uint64_t &count, uint64_t addr, uint32_t user) {
        if (!now(count)) return false;
        hits++;
        hit_addr = addr;
        hit_user = user;
        return true;
    }
};

struct MemoryOptions {
    uint32_t latency = 40;
    uint32_t page_miss = 12;
    uint32_t page_bytes = 2048;
    uint32_t banks = 8;
    uint32_t stall_threshold = 0;  // of 2^32: probability that a channel stalls in a cycle
    uint64_t seed = 1;
    const void *own = nullptr;  // what a memory in Verilog wants to know
    uint64_t noise = 0;  // the accelerator's memories hold noise of this seed at first; 0: zeros
};

// What the accelerator drives and sees on one AXI4 port in one cycle.
struct AxiRequest {
    bool valid;
    uint32_t addr, len, user;
    uint8_t id, size, burst;
    bool operator==(const AxiRequest &) const = default;
};
struct AxiFromDevice {
    AxiRequest ar, aw;
    bool wvalid, wlast, bready, rready;
    bool running;  // an instance runs
    uint32_t wdata[16];  // of this cycle, whatever the clock edge makes of the signals
    uint64_t wstrb;
};
struct AxiToDevice {
    bool arready = false, awready = false, wready = false, bvalid = false, rvalid = false;
    bool rlast = false;
    uint32_t rresp = 0, bresp = 0;
    const uint8_t *rdata = nullptr;
};

constexpr int kInstances = 32, kChannels = 4, kLayers = 2048;

// Bytes moved, by layer, instance and channel (the AXI user bits); pages opened, and vectors that
// the cores have left out, by layer.
struct Traffic {
    std::vector<uint64_t> bytes = std::vector<uint64_t>(size_t(kLayers) * kInstances * kChannels);
    std::vector<uint64_t> misses = std::vector<uint64_t>(kLayers);
    std::vector<uint64_t> spared = std::vector<uint64_t>(kLayers);
    void add(uint32_t user, uint32_t n) { bytes[user & 0x3ffff] += n; }
    void miss(uint32_t user) { misses[(user & 0x3ffff) / (kInstances * kChannels)]++; }
    void spare(uint32_t layer, uint32_t vectors) { spared[layer] += vectors; }
    void clear() {
        std::fill(bytes.begin(), bytes.end(), 0);
        std::fill(misses.begin(), misses.end(), 0);
        std::fill(spared.begin(), spared.end(), 0);
    }
};

}  // namespace partita
