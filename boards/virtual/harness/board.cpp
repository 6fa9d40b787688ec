// The whole board in simulation: the Verilated system, the SDRAM chip, the far end of the UART.
#include <cstring>
#include <deque>
#include <memory>

#include "Vboard.h"
#include "verilated.h"

#include "monitor.h"
#include "wires.h"

namespace partita {

// The far end of the UART: how long a bit takes, in 256ths of the board's cycles, and which of the
// bytes to the board are lost: one in `drop_every`, or none if it is 0.
struct HostLine {
    uint64_t bit, drop_every;
};

class Board {
  public:
    Board(const HostLine &line, const ChipSetup *setup) : line(line) {
        context_ = std::make_unique<VerilatedContext>();
        context_->randReset(2);  // memories hold noise
        context_->randSeed(1);
        Verilated::threadContextp(context_.get());
        top_ = std::make_unique<Vboard>(context_.get(), "board");
        if (setup) {
            chip_ = std::make_unique<Sdram>(setup->timing, setup->faults);
            wires_ = std::make_unique<Wires>(setup->delays, *chip_);
        }
        top_->rx = 1;
        reset();
    }
    ~Board() { top_->final(); }

    void reset() {
        top_->rst = 1;
        for (int k = 0; k < 4; k++) step();
        top_->rst = 0;
        to_board_.clear();
        sending_ = receiving_ = 0;
        permits.forget();
        monitor_.forget();
    }

    void run(uint64_t cycles) {
        Verilated::threadContextp(context_.get());
        for (uint64_t k = 0; k < cycles; k++) step();
    }

    std::unique_ptr<VerilatedContext> context_;  // outlives the model
    std::deque<uint8_t> to_board_, from_board_;
    std::unique_ptr<Sdram> chip_;
    std::unique_ptr<Wires> wires_;
    std::unique_ptr<Vboard> top_;
    HostLine line;
    uint64_t cycles = 0;
    Permits permits;
    Breach breach;

  private:
    void step() {
        top_->clk = 0;
        top_->eval();
        if (!top_->rst) watch();
        host();
#ifdef PARTITA_SDRAM
        uint32_t captured = wires_->edge(
            {top_->sdram___05Fras_n, top_->sdram___05Fcas_n, top_->sdram___05Fwe_n,
             top_->sdram___05Fba, top_->sdram___05Fa, top_->sdram___05Fdqm,
             top_->sdram___05Fdq_o, bool(top_->sdram___05Fdq_oe)});
#endif
        top_->clk = 1;
        top_->eval();
#ifdef PARTITA_SDRAM
        top_->sdram___05Fdq_i = captured;
#endif
        cycles++;
    }

    // What passes over the accelerator's buses in this cycle.
    void watch() {
        const Vboard &t = *top_;
        permits.follow(t.seen_instances);
        if (t.seen_axil_bvalid && t.seen_axil_bready) permits.answer(t.seen_axil_bresp);
        if (t.seen_axil_awvalid && t.seen_axil_awready)
            permits.take(t.seen_axil_awaddr, t.seen_axil_wdata);
        AxiFromDevice d{};
        d.ar = {bool(t.seen_arvalid), t.seen_araddr, t.seen_arlen, t.seen_aruser, t.seen_arid,
                t.seen_arsize, t.seen_arburst};
        d.aw = {bool(t.seen_awvalid), t.seen_awaddr, t.seen_awlen, t.seen_awuser, t.seen_awid,
                t.seen_awsize, t.seen_awburst};
        d.wvalid = t.seen_wvalid, d.wlast = t.seen_wlast, d.wstrb = t.seen_wstrb;
        d.bready = t.seen_bready, d.rready = t.seen_rready;
        memcpy(d.wdata, &t.seen_wdata, PARTITA_BEAT);
        AxiToDevice o;
        o.arready = t.seen_arready, o.awready = t.seen_awready, o.wready = t.seen_wready;
        o.rvalid = t.seen_rvalid, o.rlast = t.seen_rlast, o.rresp = t.seen_rresp;
        o.bvalid = t.seen_bvalid, o.bresp = t.seen_bresp;
        o.rdata = reinterpret_cast<const uint8_t *>(&t.seen_rdata);
        monitor_.look(cycles, d, o);
    }

    // The host's UART, bit by bit; it changes its line between the board's clock edges.
    void host() {
        uint64_t now = cycles << 8;
        if (sending_ && now >= send_at_) {
            send_at_ += line.bit;
            if (--sending_) top_->rx = (out_ >> (10 - sending_)) & 1;
            else top_->rx = 1;
        }
        if (!sending_ && !to_board_.empty()) {
            out_ = 0x200 | to_board_.front() << 1;
            to_board_.pop_front();
            if (line.drop_every && ++sent_ % line.drop_every == 0) return;
            sending_ = 10;
            send_at_ = now + line.bit;
            top_->rx = 0;
        }
        if (receiving_) {
            if (now >= receive_at_) {
                receive_at_ += line.bit;
                receiving_--;
                if (receiving_ > 0 && receiving_ < 9) in_ = in_ >> 1 | top_->tx << 7;
                if (receiving_ == 0 && top_->tx) from_board_.push_back(uint8_t(in_));
            }
        } else if (!top_->tx) {
            receiving_ = 10;
            receive_at_ = now + line.bit / 2 + 256;
            in_ = 0;
        }
    }

    Monitor monitor_{PARTITA_BEAT, PARTITA_INSTANCES, -1, permits, breach};
    uint32_t out_ = 0, in_ = 0, sending_ = 0, receiving_ = 0;
    uint64_t sent_ = 0, send_at_ = 0, receive_at_ = 0;
};

}  // namespace partita

using partita::Board;

extern "C" {

void *board_new(const partita::HostLine *line, const partita::ChipSetup *setup) {
    return new Board(*line, setup);
}
// From now on a bit of the host's takes so long.
void board_bit(void *b, uint64_t bit) { static_cast<Board *>(b)->line.bit = bit; }
void board_free(void *b) { delete static_cast<Board *>(b); }
void board_reset(void *b) { static_cast<Board *>(b)->reset(); }
void board_run(void *b, uint64_t cycles) { static_cast<Board *>(b)->run(cycles); }
uint64_t board_cycles(void *b) { return static_cast<Board *>(b)->cycles; }
int board_running(void *b) { return static_cast<Board *>(b)->top_->running; }
void board_feed(void *b, const uint8_t *data, uint64_t n) {
    auto &queue = static_cast<Board *>(b)->to_board_;
    queue.insert(queue.end(), data, data + n);
}
// Bytes that the host has not sent yet.
uint64_t board_unsent(void *b) { return static_cast<Board *>(b)->to_board_.size(); }
uint64_t board_take(void *b, uint8_t *data, uint64_t n) {
    auto &queue = static_cast<Board *>(b)->from_board_;
    uint64_t k = 0;
    for (; k < n && !queue.empty(); k++) {
        data[k] = queue.front();
        queue.pop_front();
    }
    return k;
}
// The rule of the memory port that was broken first, or null; in `where` its cycle, address and
// bus tag.
const char *board_breach(void *b, uint64_t *where) {
    const partita::Breach &found = static_cast<Board *>(b)->breach;
    where[0] = found.cycle, where[1] = found.addr, where[2] = found.user;
    return found.rule;
}
// From now on all programs write nothing but the places that follow.
void board_guard(void *b) { static_cast<Board *>(b)->permits.guard(); }
void board_place(void *b, uint32_t layer, uint64_t begin, uint64_t end) {
    static_cast<Board *>(b)->permits.place(layer, {begin, end});
}
const char *board_fault(void *b) {
    auto &chip = static_cast<Board *>(b)->chip_;
    return chip ? chip->fault.c_str() : "";
}
// Of the SDRAM: 0 column commands, 1 activates, 2 refreshes.
uint64_t board_count(void *b, int which) {
    auto &chip = static_cast<Board *>(b)->chip_;
    if (!chip) return 0;
    return which == 0 ? chip->column_commands : which == 1 ? chip->activates : chip->refreshes;
}
}
