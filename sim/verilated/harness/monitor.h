// Watches every beat between the accelerator and a memory: rules of AXI4, which both sides keep, and
// those that the accelerator keeps beyond it. Where the instances' own ports are seen
// (instances.h), it also watches what each is told and gets.
//
// Bursts are known from the cycle in which they are first asked for, as that is never withdrawn.
#pragma once
#include <cstring>
#include <deque>

#include "permits.h"

namespace partita {

// What was done to which rule; `rule` is null of nothing.
struct Breach {
    const char *rule = nullptr;
    uint64_t cycle = 0, addr = 0;
    uint32_t user = 0;
};

namespace rules {
constexpr const char *kWithdrawn = "what is offered stays as it is until it is taken",
    *kTag = "the bus tag names a channel of this direction and an instance of this port",
    *kEnded = "an instance that does not run writes nothing and is owed no acknowledgement",
    *kRest = "where no instance runs nothing is read and nothing is owed",
    *kBeats = "bursts are of id 0, count upwards, and have beats of the port's width",
    *kAligned = "an address is a multiple of the port's bytes",
    *kLong = "a burst has at most 4096 bytes",
    *kCrosses = "a burst does not cross a multiple of 4096",
    *kWindow = "an instance stays within its window",
    *kNoBurst = "a beat is written after its burst has been asked for",
    *kLast = "WLAST comes with a burst's last beat, and with no other",
    *kPlace = "a program writes nothing but its layers' outputs",
    *kHalted = "an instance that halts writes nothing but the beats that have left it",
    *kTold = "an instance is told that a burst was taken only where it asks for one",
    *kOwed = "what comes for an instance is owed to it, on that channel",
    *kLeft = "an instance that does not run is owed nothing",
    *kUnasked = "the memory answers what it was asked, and nothing else",
    *kReadLast = "RLAST comes with a burst's last beat, and with no other",
    *kAnswer = "an answer of the memory stays as it is until it is taken";
}  // namespace rules

class Monitor {
  public:
    // `own` is the only instance that the port serves, or -1.
    Monitor(unsigned beat_bytes, unsigned instances, int own, const Permits &permits, Breach &breach)
        : beat_(beat_bytes), instances_(instances), served_(own < 0 ? ~0u : 1u << own),
          permits_(permits), breach_(breach) {}

    // A cycle of the port, with all signals settled. They know already who runs.
    void look(uint64_t now, const AxiFromDevice &d, const AxiToDevice &o) {
        now_ = now;
        uint32_t running = permits_.running();
        if (running != running_) follow(running);
        if (d.ar.valid || read_.waits)
            if (ask(read_, d.ar, o.arready)) reads_.push_back({d.ar.addr, d.ar.user, d.ar.len + 1});
        if (d.aw.valid || write_.waits)
            if (ask(write_, d.aw, o.awready))
                writes_.push_back({d.aw.addr, d.aw.user, d.aw.len + 1});
        if (o.rvalid || answer_.rvalid) read(d, o);
        if (o.bvalid || answer_.bvalid) acknowledge(d, o);
        if (d.wvalid || data_.wvalid) write(d, o);
    }

    // An instance begins to halt; at most so many beats are in the register before its port.
    void halts(uint32_t instance, uint32_t beats) { late_[instance] = beats; }
    // It has sent a beat with strobes set.
    void halted(uint64_t now, uint32_t instance) {
        now_ = now;
        if (!late_[instance]) note(rules::kHalted, 3u << 5 | instance, 0);
        late_[instance] -= late_[instance] > 0;
    }
    // It is told that the port has taken its burst, whose answers it is owed from now on; unless it
    // halts, it `asks` for one.
    void told(uint64_t now, uint32_t instance, uint32_t channel, uint32_t answers, bool asks) {
        now_ = now;
        if (!asks) note(rules::kTold, channel << 5 | instance, 0);
        due_[instance][channel] += answers;
    }
    // It gets a beat, or an acknowledgement.
    void gets(uint64_t now, uint32_t instance, uint32_t channel) {
        now_ = now;
        if (!due_[instance][channel]) return note(rules::kOwed, channel << 5 | instance, 0);
        due_[instance][channel]--;
    }

    // The accelerator has been reset.
    void forget() {
        read_ = write_ = {};
        reads_.clear();
        writes_.clear();
        written_.clear();
        owed_.fill(0);
        due_ = {};
        data_ = {};
        answer_ = {};
        running_ = 0;
    }

  private:
    struct Asked {
        AxiRequest was;  // where it waits
        bool waits = false;
        uint32_t taken = 0;  // bursts that the memory owes
    };
    struct Burst {
        uint64_t addr;
        uint32_t user, left;
    };
    static uint32_t instance(uint32_t user) { return user & 31; }
    static uint32_t channel(uint32_t user) { return user >> 5 & 3; }
    static uint32_t layer(uint32_t user) { return user >> 7 & 2047; }

    void note(const char *rule, uint32_t user, uint64_t addr) {
        if (!breach_.rule) breach_ = {rule, now_, addr, user};
    }

    // Returns whether a burst is asked for that was not before.
    bool ask(Asked &asked, const AxiRequest &r, bool ready) {
        bool fresh = !asked.waits;
        if (!fresh && r != asked.was)
            note(rules::kWithdrawn, asked.was.user, asked.was.addr);
        asked.waits = r.valid && !ready;
        asked.was = r;
        asked.taken += r.valid && ready;
        if (fresh) check(r, &asked == &read_);
        return fresh;
    }

    void check(const AxiRequest &r, bool reads) {
        uint64_t addr = r.addr, bytes = uint64_t(r.len + 1) * beat_, last = addr + bytes - 1;
        uint32_t i = instance(r.user);
        const char *broken = nullptr;
        if (i >= instances_ || !(served_ >> i & 1) || (channel(r.user) != 3) != reads)
            broken = rules::kTag;
        else if (r.id || r.burst != 1 || 1u << r.size != beat_) broken = rules::kBeats;
        else if (addr % beat_) broken = rules::kAligned;
        else if (bytes > 4096) broken = rules::kLong;
        else if (addr / 4096 != last / 4096) broken = rules::kCrosses;
        else if (!reads && !(running_ >> i & 1)) broken = rules::kEnded;
        else if (!(running_ & served_)) broken = rules::kRest;  // a multicast outlives its leader
        else if (!permits_.window(i).holds(addr, last)) broken = rules::kWindow;
        if (broken) note(broken, r.user, addr);
        owed_[i] += !reads;
    }

    void follow(uint32_t running) {
        for (uint32_t changed = running ^ running_; changed; changed &= changed - 1) {
            uint32_t i = __builtin_ctz(changed);
            if (owed_[i]) note(rules::kEnded, 3u << 5 | i, 0);
            for (uint32_t c = 0; c < kChannels; c++)
                if (due_[i][c]) note(rules::kLeft, c << 5 | i, 0);
        }
        running_ = running;
        if (!(running & served_) && !reads_.empty())
            note(rules::kRest, reads_.front().user, reads_.front().addr);
    }

    void read(const AxiFromDevice &d, const AxiToDevice &o) {
        if (answer_.rvalid && (!o.rvalid || o.rlast != answer_.rlast || o.rresp != answer_.rresp
                               || memcmp(o.rdata, rdata_, beat_)))
            note(rules::kAnswer, 0, 0);
        answer_.rvalid = o.rvalid && !d.rready;
        if (answer_.rvalid) {
            answer_.rlast = o.rlast;
            answer_.rresp = o.rresp;
            memcpy(rdata_, o.rdata, beat_);
        }
        if (!o.rvalid || !d.rready) return;
        if (!read_.taken) return note(rules::kUnasked, 0, 0);
        Burst &b = reads_.front();
        if (o.rlast != (b.left == 1)) note(rules::kReadLast, b.user, b.addr);
        b.addr += beat_;
        if (--b.left) return;
        read_.taken--;
        reads_.pop_front();
    }

    void write(const AxiFromDevice &d, const AxiToDevice &o) {
        if (data_.wvalid && (!d.wvalid || d.wlast != data_.wlast || d.wstrb != data_.wstrb
                             || memcmp(d.wdata, data_.wdata, beat_)))
            writes_.empty() ? note(rules::kWithdrawn, 3u << 5, 0)
                            : note(rules::kWithdrawn, writes_.front().user, writes_.front().addr);
        data_.wvalid = d.wvalid && !o.wready;
        if (data_.wvalid) {
            data_.wlast = d.wlast;
            data_.wstrb = d.wstrb;
            memcpy(data_.wdata, d.wdata, beat_);
        }
        if (!d.wvalid || !o.wready) return;
        if (writes_.empty()) return note(rules::kNoBurst, 0, 0);
        Burst &b = writes_.front();
        if (d.wlast != (b.left == 1)) note(rules::kLast, b.user, b.addr);
        if (d.wstrb) {
            uint64_t first = b.addr + __builtin_ctzll(d.wstrb);
            uint64_t last = b.addr + 63 - __builtin_clzll(d.wstrb);
            if (!permits_.may_write(instance(b.user), layer(b.user), first, last))
                note(rules::kPlace, b.user, first);
        }
        b.addr += beat_;
        if (--b.left) return;
        written_.push_back(b.user);
        writes_.pop_front();
    }

    void acknowledge(const AxiFromDevice &d, const AxiToDevice &o) {
        if (answer_.bvalid && (!o.bvalid || o.bresp != answer_.bresp))
            note(rules::kAnswer, 0, 0);
        answer_.bvalid = o.bvalid && !d.bready;
        answer_.bresp = o.bresp;
        if (!o.bvalid || !d.bready) return;
        if (written_.empty() || !write_.taken) return note(rules::kUnasked, 0, 0);
        owed_[instance(written_.front())]--;
        write_.taken--;
        written_.pop_front();
    }

    // First what every cycle looks at, close together: the cores drive out of the caches what they
    // can.
    unsigned beat_, instances_;
    uint32_t served_;  // instances
    uint32_t running_ = 0;
    uint64_t now_ = 0;
    const Permits &permits_;
    Breach &breach_;
    Asked read_, write_;
    AxiToDevice answer_;    // as `data_`, of the memory
    AxiFromDevice data_{};  // a beat that waits to be taken
    uint8_t rdata_[64];
    std::deque<Burst> reads_, writes_;  // of which not all beats have passed
    std::deque<uint32_t> written_;      // tags of bursts that wait to be acknowledged
    std::array<uint32_t, kInstances> owed_{};  // writes, of each instance
    std::array<uint32_t, kInstances> late_{};  // beats that it may still send with strobes
    std::array<std::array<uint32_t, kChannels>, kInstances> due_{};  // answers, of each channel
};

}  // namespace partita
