// The monitor of a memory port by itself: a test tells it what it sees in each cycle.
#include "monitor.h"

using namespace partita;

extern "C" {

struct Cycle {
    uint32_t running, late;  // instances that run; those that send strobes though they halt
    uint32_t halts, held;    // those that begin to halt; beats that each may have sent before
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
    Monitor monitor;
    uint64_t cycle = 0;
    Bench(unsigned beat_bytes, unsigned instances, int own)
        : monitor(beat_bytes, instances, own, permits, breach) {}
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
    b->monitor.look(b->cycle, d, o);
    for (uint32_t halts = c->halts; halts; halts &= halts - 1)
        b->monitor.halts(__builtin_ctz(halts), c->held);
    for (uint32_t late = c->late; late; late &= late - 1)
        b->monitor.halted(b->cycle, __builtin_ctz(late));
    for (uint32_t told = c->told; told; told &= told - 1)
        b->monitor.told(b->cycle, __builtin_ctz(told), c->channel, c->beats,
                        !(c->unasked & told & -told));
    for (uint32_t gets = c->gets; gets; gets &= gets - 1)
        b->monitor.gets(b->cycle, __builtin_ctz(gets), c->channel);
    b->cycle++;
}
const char *bench_breach(Bench *b, uint64_t *where) {
    where[0] = b->breach.cycle, where[1] = b->breach.addr, where[2] = b->breach.user;
    return b->breach.rule;
}
}
