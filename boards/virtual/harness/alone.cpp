// A board's memory by itself: controller and chip, and the host's accesses through its port.
#include "port.h"

namespace {

struct Alone {
    explicit Alone(const partita::MemoryOptions &options)
        : port(options, none, PARTITA_BEAT, 0, traffic, fault) {}
    std::vector<uint8_t> none;
    partita::Traffic traffic;
    std::string fault;
    partita::MemoryPort port;
};

}  // namespace

extern "C" {

void *alone_new(const partita::ChipSetup *setup) {
    partita::MemoryOptions options;
    options.own = setup;
    return new Alone(options);
}
void alone_free(void *a) { delete static_cast<Alone *>(a); }
void alone_write(void *a, uint64_t addr, const uint8_t *data, uint64_t n) {
    static_cast<Alone *>(a)->port.poke(addr, data, n);
}
void alone_read(void *a, uint64_t addr, uint8_t *data, uint64_t n) {
    static_cast<Alone *>(a)->port.peek(addr, data, n);
}
const char *alone_fault(void *a) { return static_cast<Alone *>(a)->fault.c_str(); }
}
