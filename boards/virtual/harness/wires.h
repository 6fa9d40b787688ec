// What lies between the FPGA's registers and the chip's pins: ways that take time. All times are
// picoseconds; a register's value leaves it at an edge of the FPGA's clock, edge n at n periods.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "sdram.h"

namespace partita {

struct Delays {
    int64_t clock;        // from the FPGA's edge to the chip's
    int64_t command;      // from the FPGA's edge until commands, addresses and data are at the chip
    int64_t data;         // from the chip until a word is at the register that takes it
    int64_t is, ih;       // which the chip needs before and after its edge
    int64_t ac, oh;       // after its edge a word is there, and the one before stays
    int64_t setup, hold;  // which the register needs that takes a word
};

// A pin that changes while it is looked at is seen as noise.
class Wires {
  public:
    Wires(const Delays &d, Sdram &chip) : d_(d), period_(chip.timing().clock_ps), chip_(chip) {}

    // One edge of the FPGA's clock, before which registers hold `pins`: returns what one that
    // takes DQ at this edge has then.
    uint32_t edge(const Sdram::Pins &pins) {
        sent_[sends_++ % kKept] = pins;
        int64_t now = sends_ * period_;
        while (edges_ * period_ + d_.clock + d_.ih - d_.command <= now) chip_edge();
        return taken(now);
    }

  private:
    struct Word {
        uint32_t value;
        bool driven;
    };

    void chip_edge() {
        int64_t at = edges_ * period_ + d_.clock - d_.command;
        int64_t early = floor(at - d_.is), late = floor(at + d_.ih - 1);
        Sdram::Pins seen = sent(early);
        for (int64_t k = early + 1; k <= late; k++) blur(seen, sent(k));
        bool drives;
        uint32_t value = chip_.edge(seen, drives);
        words_[edges_++ % kKept] = {value, drives};
    }

    // What the register has that takes DQ at `now`: noise where no word stands still for it.
    uint32_t taken(int64_t now) {
        int64_t k = floor(now - d_.setup - d_.ac - d_.data - d_.clock);
        bool stays = now + d_.hold <= (k + 1) * period_ + d_.clock + d_.oh + d_.data;
        if (k < 0 || k >= edges_ || !stays || !words_[k % kKept].driven) return chip_.noise();
        return words_[k % kKept].value;
    }

    const Sdram::Pins &sent(int64_t k) const {
        return sent_[std::clamp<int64_t>(k, 0, sends_ - 1) % kKept];
    }
    int64_t floor(int64_t time) const {
        return time >= 0 ? time / period_ : -((period_ - 1 - time) / period_);
    }
    void blur(uint32_t &seen, uint32_t next) { seen ^= (seen ^ next) & chip_.noise(); }
    void blur(Sdram::Pins &seen, const Sdram::Pins &next) {
        blur(seen.ras_n, next.ras_n);
        blur(seen.cas_n, next.cas_n);
        blur(seen.we_n, next.we_n);
        blur(seen.ba, next.ba);
        blur(seen.a, next.a);
        blur(seen.dqm, next.dqm);
        blur(seen.dq, next.dq);
        seen.dq_driven &= next.dq_driven;
    }

    static constexpr int64_t kKept = 16;  // more than any way takes, in periods
    Delays d_;
    int64_t period_;
    Sdram &chip_;
    std::array<Sdram::Pins, kKept> sent_{};
    std::array<Word, kKept> words_{};
    int64_t sends_ = 0, edges_ = 0;
};

// A chip, what is broken about it, and its ways.
struct ChipSetup {
    SdramTiming timing;
    SdramFaults faults;
    Delays delays;
};

}  // namespace partita
