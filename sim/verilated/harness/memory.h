// External memory as modelled: one address space behind AXI4 ports.
//
// Each port moves one beat per cycle, read or written, like a DRAM's data bus. A burst's first
// beat comes `latency` cycles after its request; a burst that misses the open page of its bank
// comes `page_miss` cycles later. Misses of different banks overlap, and requests queue, so a
// stream of bursts runs at full rate unless it keeps missing in one bank.
#pragma once
#include <utility>

#include "axi.h"

namespace partita {

class MemoryPort {
  public:
    // What it drives does not follow what the device drives in the same cycle, but for `wready`,
    // for which `wvalid` as it was after the last edge is enough.
    static constexpr bool kFollows = false;

    MemoryPort(const MemoryOptions &options, std::vector<uint8_t> &memory, unsigned beat_bytes,
               unsigned index, Traffic &traffic, std::string &fault)
        : options_(options), memory_(memory), beat_(beat_bytes), index_(index),
          traffic_(traffic), fault_(fault), open_(options.banks, ~0ull),
          bank_free_(options.banks, 0), zeros_(beat_bytes, 0) {
        reseed(options.seed);
    }

    // From now on it does this wrong, and stalls as this seed says.
    void disturb(Disturbance *disturbance, uint64_t seed) {
        disturbance_ = disturbance;
        reseed(seed);
    }

    // What the port drives in this cycle; of the device only `wvalid` is looked at.
    const AxiToDevice &drive(uint64_t now, const AxiFromDevice &d) {
        AxiToDevice &o = out_;
        o.arready = reads_.size() < kQueue && !stall();
        o.awready = writes_.size() < kQueue && !stall();
        bool can_read = o.rvalid || (!reads_.empty() && reads_.front().ready <= now);
        bool can_write = d.wvalid && open_write() != nullptr;
        // The data bus changes hands at the end of a burst only, if the other side wants it.
        if (turn_open_ && (writing_ ? can_read : can_write)) {
            writing_ = !writing_;
            turn_open_ = false;
        } else if (writing_ ? (!can_write && can_read) : (!can_read && can_write)) {
            writing_ = !writing_;
        }
        o.wready = writing_ && can_write && !stall();
        if (!o.rvalid && !writing_ && can_read && !stall()) {
            Burst &b = reads_.front();
            o.rvalid = true;
            bool inside = uint64_t(b.addr) + beat_ <= memory_.size();
            o.rdata = inside ? &memory_[b.addr] : zeros_.data();
            o.rresp = inside && !(disturbance_ && disturbance_->hit(
                disturbance_->read_error, b.addr, b.user)) ? 0 : 2;
            o.rlast = b.left == 1;
        }
        if (!o.bvalid && !acks_.empty() && acks_.front().first <= now && !stall()) {
            o.bvalid = true;
            o.bresp = acks_.front().second ? 2 : 0;
        }
        return o;
    }

    // What happened at the clock edge.
    void edge(uint64_t now, const AxiFromDevice &d) {
        AxiToDevice &o = out_;
        if (d.ar.valid && o.arready) accept(reads_, d.ar, now);
        if (d.aw.valid && o.awready) accept(writes_, d.aw, now);
        if (o.rvalid && d.rready) {
            Burst &b = reads_.front();
            traffic_.add(b.user, beat_);
            b.addr += beat_;
            o.rvalid = false;
            if (--b.left == 0) {
                reads_.pop_front();
                turn_open_ = true;
            }
        }
        if (d.wvalid && o.wready) {
            Burst &b = *open_write();
            if (!b.begun && disturbance_)
                b.error = disturbance_->hit(disturbance_->write_error, b.addr, b.user);
            b.begun = true;
            b.error |= uint64_t(b.addr) + beat_ > memory_.size();
            if (!b.error) {
                const uint8_t *data = reinterpret_cast<const uint8_t *>(d.wdata);
                for (unsigned k = 0; k < beat_; k++)
                    if (d.wstrb >> k & 1) memory_[b.addr + k] = data[k];
            }
            traffic_.add(b.user, beat_);
            b.addr += beat_;
            if (d.wlast != (b.left == 1)) fault_ = "WLAST is not with the last beat of a burst";
            if (--b.left == 0) {
                acks_.emplace_back(std::max(now, b.ready) + lateness(), b.error);
                writes_.pop_front();
                turn_open_ = true;
            }
        }
        if (o.bvalid && d.bready) {
            acks_.pop_front();
            o.bvalid = false;
        }
    }

    void poke(uint64_t addr, const uint8_t *data, uint64_t n) {
        memcpy(&memory_[addr], data, n);
    }
    void peek(uint64_t addr, uint8_t *data, uint64_t n) { memcpy(data, &memory_[addr], n); }

  private:
    struct Burst {
        uint32_t addr, left, user;
        uint64_t ready;
        bool error, begun;
    };
    static constexpr size_t kQueue = 32;

    Burst *open_write() { return writes_.empty() ? nullptr : &writes_.front(); }

    void accept(std::deque<Burst> &queue, const AxiRequest &r, uint64_t now) {
        uint32_t beats = r.len + 1;
        if (r.addr % beat_) fault_ = "an AXI address is not a multiple of the beat";
        if (r.addr / 4096 != (r.addr + beats * beat_ - 1) / 4096)
            fault_ = "an AXI burst crosses a 4096-byte boundary";
        uint64_t page = r.addr / options_.page_bytes;
        unsigned bank = page % options_.banks;
        uint64_t start = std::max(now, bank_free_[bank]);
        if (open_[bank] != page) {
            open_[bank] = page;
            traffic_.miss(r.user);
            start += options_.page_miss;
            bank_free_[bank] = start;
        }
        queue.push_back({r.addr, beats, r.user, start + options_.latency, false, false});
    }

    // Of an acknowledgement.
    uint64_t lateness() {
        if (!disturbance_) return 0;
        return Disturbance::now(disturbance_->stalled_ack) ? disturbance_->stall_cycles
                                                           : disturbance_->ack_delay;
    }

    void reseed(uint64_t seed) { random_ = seed * 0x9E3779B97F4A7C15ull + index_ + 1; }

    bool stall() {
        if (!options_.stall_threshold) return false;
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return uint32_t(random_ >> 16) < options_.stall_threshold;
    }

    MemoryOptions options_;
    std::vector<uint8_t> &memory_;
    unsigned beat_, index_;
    Disturbance *disturbance_ = nullptr;
    Traffic &traffic_;
    std::string &fault_;
    std::deque<Burst> reads_, writes_;
    std::deque<std::pair<uint64_t, bool>> acks_;
    std::vector<uint64_t> open_, bank_free_;
    uint64_t random_;
    std::vector<uint8_t> zeros_;
    AxiToDevice out_;
    bool writing_ = false, turn_open_ = true;
};

}  // namespace partita
