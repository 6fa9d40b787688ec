// A board's memory behind a port of the simulated accelerator: its Verilog, and the SDRAM chip.
#pragma once
#include <memory>

#include "Vmemory.h"
#include "verilated.h"

#include "axi.h"
#include "wires.h"

namespace partita {

class MemoryPort {
  public:
    // What it drives may follow what the device drives in the same cycle.
    static constexpr bool kFollows = true;

    MemoryPort(const MemoryOptions &options, std::vector<uint8_t> &, unsigned beat_bytes,
               unsigned, Traffic &traffic, std::string &fault)
        : beat_(beat_bytes), traffic_(traffic), fault_(fault), data_(beat_bytes) {
        context_ = std::make_unique<VerilatedContext>();
        top_ = std::make_unique<Vmemory>(context_.get(), "memory");
        if (options.own) {
            auto &setup = *static_cast<const ChipSetup *>(options.own);
            chip_ = std::make_unique<Sdram>(setup.timing, setup.faults);
            wires_ = std::make_unique<Wires>(setup.delays, *chip_);
        }
        top_->rst = 1;
        for (int k = 0; k < 4; k++) idle();
        top_->rst = 0;
        while (!top_->ready) idle();
    }
    MemoryPort(MemoryPort &&) = default;

    const AxiToDevice &drive(uint64_t, const AxiFromDevice &d) {
        request(d);
        top_->running = d.running;
        top_->clk = 0;
        top_->eval();
        out_.arready = top_->axi_arready;
        out_.awready = top_->axi_awready;
        out_.wready = top_->axi_wready;
        out_.rvalid = top_->axi_rvalid;
        out_.rlast = top_->axi_rlast;
        out_.rresp = top_->axi_rresp;
        out_.bvalid = top_->axi_bvalid;
        out_.bresp = top_->axi_bresp;
        memcpy(data_.data(), &top_->axi_rdata, beat_);
        out_.rdata = data_.data();
        return out_;
    }

    void edge(uint64_t, const AxiFromDevice &d) {
        // Nothing of what is asked has changed since `drive`.
        if (d.ar.valid && out_.arready) reads_.push_back({d.ar.user, d.ar.len + 1});
        if (d.aw.valid && out_.awready) writes_.push_back({d.aw.user, d.aw.len + 1});
        count(reads_, out_.rvalid && d.rready);
        count(writes_, d.wvalid && out_.wready);
        clock();
    }

    // The host's accesses, a beat at a time through the same port, while the accelerator waits.
    void poke(uint64_t addr, const uint8_t *data, uint64_t n) {
        for (uint64_t end = addr + n; addr < end;) {
            unsigned lane = addr % beat_, size = std::min<uint64_t>(beat_ - lane, end - addr);
            AxiFromDevice d{};
            memcpy(reinterpret_cast<uint8_t *>(d.wdata) + lane, data, size);
            d.aw = {true, uint32_t(addr - lane), 0, 0};
            d.wvalid = d.wlast = d.bready = true;
            d.wstrb = ((size < 64 ? uint64_t(1) << size : 0) - 1) << lane;
            for (bool done = false; !done;) {
                drive(0, d);
                if (out_.awready) d.aw.valid = false;
                if (out_.wready) d.wvalid = false;
                done = out_.bvalid;
                clock();
            }
            addr += size;
            data += size;
        }
    }
    void peek(uint64_t addr, uint8_t *data, uint64_t n) {
        for (uint64_t end = addr + n; addr < end;) {
            unsigned lane = addr % beat_, size = std::min<uint64_t>(beat_ - lane, end - addr);
            AxiFromDevice d{};
            d.ar = {true, uint32_t(addr - lane), 0, 0};
            d.rready = true;
            for (bool done = false; !done;) {
                drive(0, d);
                if (out_.arready) d.ar.valid = false;
                done = out_.rvalid;
                if (done) memcpy(data, data_.data() + lane, size);
                clock();
            }
            addr += size;
            data += size;
        }
    }

  private:
    struct Burst {
        uint32_t user, left;
    };

    void request(const AxiFromDevice &d) {
        top_->axi_arvalid = d.ar.valid;
        top_->axi_araddr = d.ar.addr;
        top_->axi_arlen = d.ar.len;
        top_->axi_awvalid = d.aw.valid;
        top_->axi_awaddr = d.aw.addr;
        top_->axi_awlen = d.aw.len;
        top_->axi_wvalid = d.wvalid;
        top_->axi_wlast = d.wlast;
        top_->axi_wstrb = d.wstrb;
        if (d.wvalid) memcpy(&top_->axi_wdata, d.wdata, beat_);
        top_->axi_bready = d.bready;
        top_->axi_rready = d.rready;
    }

    void count(std::deque<Burst> &bursts, bool beat) {
        if (!beat || bursts.empty()) return;
        traffic_.add(bursts.front().user, beat_);
        if (--bursts.front().left == 0) bursts.pop_front();
    }

    void idle() {
        drive(0, AxiFromDevice{});
        clock();
    }

    void clock() {
#ifdef PARTITA_SDRAM
        uint64_t opened = chip_->activates;
        uint32_t captured = wires_->edge(
            {top_->pins_ras_n, top_->pins_cas_n, top_->pins_we_n, top_->pins_ba, top_->pins_a,
             top_->pins_dqm, top_->pins_dq_o, bool(top_->pins_dq_oe)});
        auto &under_way = reads_.empty() ? writes_ : reads_;
        if (chip_->activates != opened && !under_way.empty())
            traffic_.miss(under_way.front().user);
        if (!chip_->fault.empty()) fault_ = chip_->fault;
#endif
        top_->clk = 1;
        top_->eval();
#ifdef PARTITA_SDRAM
        top_->pins_dq_i = captured;
#endif
    }

    unsigned beat_;
    Traffic &traffic_;
    std::string &fault_;
    std::unique_ptr<VerilatedContext> context_;  // outlives the model
    std::unique_ptr<Vmemory> top_;
    std::unique_ptr<Sdram> chip_;
    std::unique_ptr<Wires> wires_;
    std::deque<Burst> reads_, writes_;
    std::vector<uint8_t> data_;
    AxiToDevice out_;
};

}  // namespace partita
