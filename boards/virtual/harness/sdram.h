// A single-data-rate SDRAM chip, after its datasheet: state of each bank, data, and every rule of
// timing that a controller can break. Times are picoseconds on the chip's own clock.
//
// Follows Winbond's W9825G6KH datasheet: command truth table, mode register, AC characteristics.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace partita {

struct SdramTiming {
    uint32_t banks, rows, columns, bytes;  // `bytes` of a word
    uint32_t clock_ps, rcd, rp, ras, rc, rfc, rrd, wr;
    uint32_t mrd_cycles, wr_cycles, cas;
    uint64_t powerup, refresh;  // `refresh`: longest time between two refreshes
    uint64_t noise;             // draws what is in it when it powers up
};

// What is broken. A chip that is broken breaks no rule: what then becomes of its memory shows.
struct SdramFaults {
    uint32_t ones, zeros;  // data pins that are 1, and 0, whatever drives them
    uint32_t swap[2];      // two address pins, each where the other belongs; equal: none
    uint64_t fades;        // without refresh: what is left alone for so long is lost; 0: none

    bool any() const { return ones | zeros | (swap[0] ^ swap[1]) | (fades != 0); }
};

class Sdram {
  public:
    explicit Sdram(const SdramTiming &t, const SdramFaults &broken = {})
        : t_(t), broken_(broken), noise_(t.noise), bank_(t.banks), left_at_(t.banks * t.rows),
          memory_(size_t(t.banks) * t.rows * t.columns * t.bytes) {
        lose(0, memory_.size());
    }

    // Pins as the chip sees them at a rising edge of its clock.
    struct Pins {
        uint32_t ras_n, cas_n, we_n, ba, a, dqm, dq;
        bool dq_driven;
    };

    // One rising edge. Returns what the chip drives after it; `drives` is 0 if it does not.
    uint32_t edge(Pins p, bool &drives) {
        now_ += t_.clock_ps;
        swap(p.a);
        p.dq = stick(p.dq);
        drives = false;
        uint32_t out = 0;
        if (!out_.empty() && out_.front().at <= cycle_) {
            out = stick(out_.front().value);
            drives = true;
            out_.pop_front();
            // It is captured at the next edge: the controller must not drive it then.
            driving_ = true;
        } else {
            driving_ = false;
        }
        if (p.dq_driven && was_driving_) fail("both sides drive DQ");
        was_driving_ = driving_;
        if (left_ && writing_) {
            write_word(p);
        }
        uint32_t command = p.ras_n << 2 | p.cas_n << 1 | p.we_n;
        switch (command) {
        case 7: break;
        case 3: activate(p); break;
        case 5: column(p, false); break;
        case 4: column(p, true); break;
        case 2: precharge(p); break;
        case 1: refresh(); break;
        case 0: mode(p); break;
        default: fail("burst terminate or reserved command"); break;
        }
        if (ready_ && now_ - refreshed_ > t_.refresh) {
            fail("refresh interval: " + std::to_string((now_ - refreshed_) / 1000) + " ns");
            refreshed_ = now_;
        }
        cycle_++;
        return out;
    }

    // The next of a sequence of random bits.
    uint32_t noise() {
        noise_ += 0x9e3779b97f4a7c15u;
        uint64_t z = (noise_ ^ noise_ >> 30) * 0xbf58476d1ce4e5b9u;
        return uint32_t((z ^ z >> 27) * 0x94d049bb133111ebu >> 32);
    }
    const SdramTiming &timing() const { return t_; }

    std::string fault;
    uint64_t column_commands = 0, activates = 0, refreshes = 0;

  private:
    struct Bank {
        bool open = false;
        uint32_t row = 0;
        uint64_t activated = 0, precharged = 0, written = 0, written_cycle = 0, read = 0;
        bool ever = false;
    };
    struct Out {
        uint64_t at;
        uint32_t value;
    };

    void fail(const std::string &what) {
        if (fault.empty() && !broken_.any())
            fault = "SDRAM: " + what + " at " + std::to_string(now_ / 1000) + " ns";
    }
    bool after(uint64_t since, uint64_t least, const char *what) {
        if (now_ - since >= least) return true;
        fail(std::string(what) + ": " + std::to_string((now_ - since) / 1000) + " ns");
        return false;
    }
    void swap(uint32_t &a) const {
        uint32_t x = broken_.swap[0], y = broken_.swap[1];
        if ((a >> x ^ a >> y) & 1) a ^= 1u << x | 1u << y;
    }
    uint32_t stick(uint32_t dq) const { return (dq | broken_.ones) & ~broken_.zeros; }
    void lose(size_t begin, size_t bytes) {
        for (size_t k = begin; k < begin + bytes; k += sizeof(uint32_t)) {
            uint32_t word = noise();
            memcpy(&memory_[k], &word, std::min(sizeof word, begin + bytes - k));
        }
    }
    // A row is read and written back: its time begins anew. Without refresh that comes too late
    // if it was left alone for too long.
    void restore(const Bank &b, bool opens) {
        uint64_t &left = left_at_[size_t(&b - bank_.data()) * t_.rows + b.row];
        size_t row = size_t(t_.columns) * t_.bytes;
        if (opens && broken_.fades && left && now_ - left > broken_.fades)
            lose((size_t(b.row) * t_.banks + size_t(&b - bank_.data())) * row, row);
        left = now_;
    }
    void awake() {
        if (now_ < t_.powerup) fail("a command before the chip has powered up");
        if (refreshing_ && after(refresh_began_, t_.rfc, "tRFC")) refreshing_ = false;
        if (mode_set_ && cycle_ - mode_cycle_ < t_.mrd_cycles) fail("tMRD");
    }
    void activate(const Pins &p) {
        awake();
        Bank &b = bank_[p.ba];
        if (!ready_) fail("activate before the chip is set up");
        if (b.open) fail("activate of an open bank");
        if (b.ever) {
            after(b.activated, t_.rc, "tRC");
            after(b.precharged, t_.rp, "tRP");
        }
        if (activates) after(any_activated_, t_.rrd, "tRRD");
        b.open = b.ever = true;
        b.row = p.a & (t_.rows - 1);
        restore(b, true);
        b.activated = any_activated_ = now_;
        activates++;
    }
    void column(const Pins &p, bool write) {
        awake();
        Bank &b = bank_[p.ba];
        if (!b.open) return fail("a column of a closed bank");
        after(b.activated, t_.rcd, "tRCD");
        if (p.a >> 10 & 1) fail("auto-precharge is not used here");
        if (left_ && writing_) fail("a write burst is cut short");
        if (!write && !out_.empty() && out_.back().at >= cycle_ + t_.cas - 1)
            fail("a read burst is cut short");
        if (write && !out_.empty()) fail("a write while read data is on its way");
        column_commands++;
        bank_now_ = p.ba;
        column_ = p.a & (t_.columns - 1);
        writing_ = write;
        if (write) {
            left_ = burst_;
            write_word(p);
        } else {
            left_ = 0;
            for (uint32_t k = 0; k < burst_; k++) {
                uint32_t value = 0;
                const uint8_t *word = at(k);
                for (uint32_t i = 0; i < t_.bytes; i++) value |= uint32_t(word[i]) << 8 * i;
                out_.push_back({cycle_ + t_.cas - 1 + k, value});
            }
            b.read = cycle_ + burst_;
        }
    }
    uint8_t *at(uint32_t k) {
        uint32_t base = column_ & ~(burst_ - 1), place = base | ((column_ + k) & (burst_ - 1));
        size_t word = (size_t(bank_[bank_now_].row) * t_.banks + bank_now_) * t_.columns + place;
        return &memory_[word * t_.bytes];
    }
    void write_word(const Pins &p) {
        if (!p.dq_driven) fail("a write without data");
        uint8_t *word = at(burst_ - left_);
        for (uint32_t i = 0; i < t_.bytes; i++)
            if (!(p.dqm >> i & 1)) word[i] = uint8_t(p.dq >> 8 * i);
        bank_[bank_now_].written = now_;
        bank_[bank_now_].written_cycle = cycle_;
        left_--;
    }
    void close(Bank &b) {
        if (!b.open) return;
        after(b.activated, t_.ras, "tRAS");
        if (b.written) {
            after(b.written, t_.wr, "tWR");
            if (cycle_ - b.written_cycle < t_.wr_cycles) fail("tWR in cycles");
        }
        if (b.read > cycle_ + t_.cas - 1) fail("precharge cuts a read burst short");
        restore(b, false);
        b.open = false;
        b.precharged = now_;
    }
    void precharge(const Pins &p) {
        awake();
        if (left_ && writing_ && (p.a >> 10 & 1 || p.ba == bank_now_))
            fail("precharge cuts a write burst short");
        if (p.a >> 10 & 1) {
            for (auto &b : bank_) {
                close(b);
                b.precharged = now_;
            }
            cleared_ = true;
        } else {
            close(bank_[p.ba]);
        }
    }
    void refresh() {
        awake();
        if (!cleared_) fail("refresh before the first precharge");
        for (auto &b : bank_) {
            if (b.open) fail("refresh with an open bank");
            after(b.precharged, t_.rp, "tRP before refresh");
        }
        refreshing_ = true;
        refresh_began_ = refreshed_ = now_;
        refreshes++;
    }
    void mode(const Pins &p) {
        awake();
        if (refreshes < 8) fail("fewer than eight refreshes before the mode is set");
        for (auto &b : bank_)
            if (b.open) fail("mode set with an open bank");
        burst_ = 1u << (p.a & 7);
        if ((p.a & 7) > 3 || (p.a >> 3 & 1)) fail("an unsupported burst");
        if ((p.a >> 4 & 7) != t_.cas) fail("the mode's CAS latency is not the build's");
        if (p.a >> 9 & 1) fail("single writes");
        mode_set_ = ready_ = true;
        mode_cycle_ = cycle_;
    }

    SdramTiming t_;
    SdramFaults broken_;
    uint64_t noise_;
    std::vector<Bank> bank_;
    std::vector<uint64_t> left_at_;  // of each bank's rows
    std::vector<uint8_t> memory_;
    std::deque<Out> out_;
    uint64_t now_ = 0, cycle_ = 0, any_activated_ = 0, refresh_began_ = 0, refreshed_ = 0;
    uint64_t mode_cycle_ = 0;
    uint32_t burst_ = 1, left_ = 0, column_ = 0, bank_now_ = 0;
    bool ready_ = false, writing_ = false, refreshing_ = false, mode_set_ = false;
    bool cleared_ = false, driving_ = false, was_driving_ = false;
};

}  // namespace partita
