// The monitor of a memory port, and of two instances' ports, by itself: a test tells it what it sees
// in each cycle.
#include <cstddef>

#include "instances.h"

using namespace partita;

// What a Verilated shell has of the ports of two instances.
struct Shell {
    struct Port {
        uint64_t requests[kChannels], beat;  // of 4 bytes, with its strobes
        uint8_t asks[kChannels], has_beat, alive, channel;
        uint8_t taken[kChannels], takes_beat, acknowledged, returned;
    } of[2];
};
constexpr unsigned kBeatsFirst = 12;
constexpr OwnPort port_at(size_t at) {
#define AT(member) at + offsetof(Shell::Port, member)
    OwnPort port{{}, AT(returned), AT(channel), AT(acknowledged), AT(alive),
                 {AT(has_beat), AT(takes_beat), AT(beat)}};
    for (size_t c = 0; c < kChannels; c++)
        port.asks[c] = {AT(asks) + c, AT(taken) + c, AT(requests) + c * sizeof(uint64_t)};
#undef AT
    return port;
}
static constexpr OwnPortMap<2> kPorts{
    4, kBeatsFirst, 9, {0, 2}, {port_at(0), port_at(sizeof(Shell::Port))}};

extern "C" {

struct Cycle {
    uint32_t running, alive; // instances that run; those that do not halt
    uint32_t data, taken;    // those that have a beat to write; those of which one is taken
    uint32_t blank;          // those whose beats have no strobes
    uint32_t told, unasked;  // those whose burst was taken; which of them have not asked for it
    uint32_t gets;           // those to whom an answer comes
    uint32_t channel, beats; // on which channel; how many answers a burst that was taken has
    struct {
        uint32_t valid, addr, len, user, id, size, burst;
    } ar, aw;
    uint32_t wvalid, wlast, bready, rready, wdata;
    uint64_t wstrb;
    uint32_t arready, awready, wready, bvalid, rvalid, rlast, rresp, bresp, rdata;
};

struct Bench {
    Permits permits;
    Breach breach;
    std::vector<Monitor> monitors;
    OwnPorts<kPorts> own_ports;
    uint64_t cycle = 0;
    Bench(unsigned beat_bytes, unsigned instances, int own) {
        monitors.emplace_back(beat_bytes, instances, own, permits, breach);
    }
};

Bench *bench_new(unsigned beat_bytes, unsigned instances, int own) {
    return new Bench(beat_bytes, instances, own);
}
void bench_free(Bench *b) { delete b; }
void bench_write(Bench *b, uint32_t addr, uint32_t value, uint32_t response) {
    b->permits.take(addr, value);
    b->permits.answer(response);
}
void bench_guard(Bench *b) { b->permits.guard(); }
void bench_place(Bench *b, uint32_t layer, uint64_t begin, uint64_t end) {
    b->permits.place(layer, {begin, end});
}
void bench_cycle(Bench *b, const Cycle *c) {
    uint8_t rdata[64] = {};
    memcpy(rdata, &c->rdata, sizeof c->rdata);
    AxiFromDevice d{};
    auto request = [](const auto &r) {
        return AxiRequest{r.valid != 0, r.addr, r.len, r.user, uint8_t(r.id), uint8_t(r.size),
                          uint8_t(r.burst)};
    };
    d.ar = request(c->ar);
    d.aw = request(c->aw);
    d.wvalid = c->wvalid, d.wlast = c->wlast, d.bready = c->bready, d.rready = c->rready;
    d.wdata[0] = c->wdata, d.wstrb = c->wstrb;
    AxiToDevice o;
    o.arready = c->arready, o.awready = c->awready, o.wready = c->wready;
    o.bvalid = c->bvalid, o.rvalid = c->rvalid, o.rlast = c->rlast;
    o.rresp = c->rresp, o.bresp = c->bresp, o.rdata = rdata;
    b->permits.follow(c->running);
    b->monitors[0].look(b->cycle, d, o);
    Shell shell{};
    for (int i = 0; i < 2; i++) {
        auto has = [i](uint32_t instances) { return uint8_t(instances >> i & 1); };
        Shell::Port &port = shell.of[i];
        port.alive = has(c->alive);
        port.has_beat = has(c->data);
        port.takes_beat = has(c->taken);
        port.beat = has(c->blank) ? 0 : 15ull << 32;
        port.asks[c->channel] = has(c->told & ~c->unasked);
        port.taken[c->channel] = has(c->told);
        port.requests[c->channel] = uint64_t(c->beats) << kBeatsFirst;
        port.channel = uint8_t(c->channel);
        (c->channel == kChannels - 1 ? port.acknowledged : port.returned) = has(c->gets);
    }
    b->own_ports.look(b->cycle, &shell, b->monitors);
    b->cycle++;
}
const char *bench_breach(Bench *b, uint64_t *where) {
    where[0] = b->breach.cycle, where[1] = b->breach.addr, where[2] = b->breach.user;
    return b->breach.rule;
}
}
