// The C functions that Python calls (sim/verilated/interface.py); a `void *` is a model.
#include <algorithm>

#include "model.h"

using partita::Model;

static Model &model(void *m) {
    Model &found = *static_cast<Model *>(m);
    found.use();
    return found;
}

extern "C" {

void *partita_new(uint64_t memory_bytes, uint32_t latency, uint32_t page_miss,
                  uint32_t page_bytes, uint32_t banks, uint32_t stall_threshold, uint64_t seed,
                  const void *own, int threads, uint64_t noise) {
    partita::MemoryOptions options{latency, page_miss, page_bytes, banks, stall_threshold, seed,
                                   own, noise};
    return new Model(memory_bytes, options, threads);
}
void partita_free(void *m) { delete static_cast<Model *>(m); }
void partita_poke(void *m, uint64_t addr, const uint8_t *data, uint64_t n) {
    model(m).port().poke(addr, data, n);
}
void partita_peek(void *m, uint64_t addr, uint8_t *data, uint64_t n) {
    model(m).port().peek(addr, data, n);
}
int partita_write_register(void *m, uint32_t addr, uint32_t value) {
    return model(m).write_register(addr, value);
}
int partita_read_register(void *m, uint32_t addr, uint32_t *value) {
    return model(m).read_register(addr, value);
}
uint64_t partita_run(void *m, uint64_t limit) { return model(m).run(limit); }
int partita_all_ended(void *m) { return model(m).all_ended(); }
const char *partita_fault(void *m) { return model(m).fault.c_str(); }
// The rule that was broken first, or null; in `where` its cycle, address and bus tag.
const char *partita_breach(void *m, uint64_t *where) {
    const partita::Breach &found = model(m).breach;
    where[0] = found.cycle, where[1] = found.addr, where[2] = found.user;
    return found.rule;
}
// What the memory does wrong from now on, and the seed of its stalls; returns whether it can.
int partita_disturb(void *m, uint64_t read_error, uint64_t write_error, uint64_t stalled_ack,
                    uint32_t stall_cycles, uint32_t ack_delay, uint64_t seed) {
    return model(m).disturb({read_error, write_error, stalled_ack, stall_cycles, ack_delay}, seed);
}
// Answers with an error since then; of the last one the address and the bus tag.
uint64_t partita_disturbed(void *m, uint64_t *where) {
    const partita::Disturbance &found = model(m).disturbance;
    where[0] = found.hit_addr, where[1] = found.hit_user;
    return found.hits;
}
// From now on all programs write nothing but the places that follow.
void partita_guard(void *m) { model(m).permits.guard(); }
void partita_place(void *m, uint32_t layer, uint64_t begin, uint64_t end) {
    model(m).permits.place(layer, {begin, end});
}
void partita_check(void *m, int on) { model(m).checking = on; }
void partita_doze(void *m, int on) { model(m).doze = on; }
void partita_count_toggles(void *m, int on) { model(m).count_toggles(on); }
#ifdef PARTITA_VCD
int partita_trace(void *m, const char *path, uint64_t cycles) {
    return model(m).trace(path, cycles);
}
#endif
void partita_begin(void *m) { model(m).begin(); }
void partita_end(void *m, uint32_t layer) { model(m).accounts.end(layer); }
uint64_t partita_cycle(void *m) { return model(m).cycle; }
const uint64_t *partita_causes(void *m, int core) { return model(m).causes(core); }
// Pages opened since `begin`: [layer 2048].
const uint64_t *partita_page_misses(void *m) { return model(m).traffic.misses.data(); }
// Vectors that dead input blocks have left out since `begin`: [layer 2048].
const uint64_t *partita_spared(void *m) { return model(m).traffic.spared.data(); }
// Bytes moved since `begin`: [layer 2048][channel 4][instance 32].
const uint64_t *partita_traffic(void *m) { return model(m).traffic.bytes.data(); }
// Layers that each instance has ended since `begin`.
const uint32_t *partita_layers_ended(void *m) { return model(m).ended.data(); }

// Toggles per flip-flop bit of a unit (an instance, or the shell) in a layer; returns the cycles
// counted, 0 if none were. `counts` has room for partita_flip_flop_bits entries.
uint64_t partita_toggles(void *m, int unit, uint32_t layer, uint64_t *counts) {
    const partita::Accounts::Entry *found = model(m).accounts.of(unit, layer);
    if (!found) return 0;
    std::copy(found->per_bit.begin(), found->per_bit.end(), counts);
    return found->cycles;
}
uint64_t partita_flip_flop_bits(void *m, int unit) {
    return model(m).map(unit).bits();
}
}
