// The whole board in simulation: the Verilated system, the SDRAM chip, the far end of the UART.
#include <cstring>
#include <deque>
#include <memory>

#include "Vboard.h"
#include "verilated.h"

#include "sdram.h"

namespace partita {

class Board {
  public:
    Board(uint32_t clocks_per_bit, const SdramTiming *timing) : clocks_(clocks_per_bit) {
        context_ = std::make_unique<VerilatedContext>();
        top_ = std::make_unique<Vboard>(context_.get(), "board");
        if (timing) chip_ = std::make_unique<Sdram>(*timing);
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
    }

    void run(uint64_t cycles) {
        Verilated::threadContextp(context_.get());
        for (uint64_t k = 0; k < cycles; k++) step();
    }

    std::unique_ptr<VerilatedContext> context_;  // outlives the model
    std::deque<uint8_t> to_board_, from_board_;
    std::unique_ptr<Sdram> chip_;
    std::unique_ptr<Vboard> top_;
    uint64_t cycles = 0;

  private:
    void step() {
        top_->clk = 0;
        top_->eval();
        host();
#ifdef PARTITA_SDRAM
        uint32_t captured = chip_->captured(
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

    // The host's UART, bit by bit; it changes its line between the board's clock edges.
    void host() {
        if (sending_) {
            if (--send_timer_ == 0) {
                send_timer_ = clocks_;
                if (--sending_) top_->rx = (out_ >> (10 - sending_)) & 1;
                else top_->rx = 1;
            }
        }
        if (!sending_ && !to_board_.empty()) {
            out_ = 0x200 | to_board_.front() << 1;
            to_board_.pop_front();
            sending_ = 10;
            send_timer_ = clocks_;
            top_->rx = 0;
        }
        if (receiving_) {
            if (--receive_timer_ == 0) {
                receive_timer_ = clocks_;
                receiving_--;
                if (receiving_ > 0 && receiving_ < 9) in_ = in_ >> 1 | top_->tx << 7;
                if (receiving_ == 0 && top_->tx) from_board_.push_back(uint8_t(in_));
            }
        } else if (!top_->tx) {
            receiving_ = 10;
            receive_timer_ = clocks_ / 2 + 1;
            in_ = 0;
        }
    }

    uint32_t clocks_;
    uint32_t out_ = 0, in_ = 0, sending_ = 0, send_timer_ = 0, receiving_ = 0, receive_timer_ = 0;
};

}  // namespace partita

using partita::Board;

extern "C" {

void *board_new(uint32_t clocks_per_bit, const partita::SdramTiming *timing) {
    return new Board(clocks_per_bit, timing);
}
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
