// The host at the control registers' bus, AXI4-Lite. The clock runs meanwhile: a read of the log
// waits until all is in it.
#pragma once
#include <cstdint>

#include "machine.h"
#include "permits.h"

namespace partita {

class Host {
  public:
    // Asks for nothing: what noise there is in inputs that no cycle sets goes.
    void still(ShellState &s) {
        s.s_axil___05Fawvalid = s.s_axil___05Fwvalid = s.s_axil___05Farvalid = 0;
        s.s_axil___05Fbready = s.s_axil___05Frready = 0;
    }
    // A cycle, with all signals settled.
    void sample(const ShellState &s) {
        awready_ = s.s_axil___05Fawready;
        arready_ = s.s_axil___05Farready;
        bvalid_ = s.s_axil___05Fbvalid;
        bresp_ = s.s_axil___05Fbresp;
        rvalid_ = s.s_axil___05Frvalid;
        rdata_ = s.s_axil___05Frdata;
        rresp_ = s.s_axil___05Frresp;
    }

    // Accesses, which call `step` for each cycle that they take, and return the response, or -1 if
    // there is none.
    template <class Step>
    int write(ShellState &s, Permits &permits, uint32_t addr, uint32_t value, Step step) {
        s.s_axil___05Fawvalid = s.s_axil___05Fwvalid = 1;
        s.s_axil___05Fawaddr = addr;
        s.s_axil___05Fwdata = value;
        s.s_axil___05Fwstrb = 15;
        s.s_axil___05Fbready = 1;
        int response = -1;
        for (int k = 0; k < 100 && response < 0; k++) {
            step();
            if (bvalid_) permits.answer(response = bresp_);
            if (!awready_) continue;
            s.s_axil___05Fawvalid = s.s_axil___05Fwvalid = 0;
            permits.take(addr, value);
        }
        s.s_axil___05Fbready = 0;
        return response;
    }
    template <class Step>
    int read(ShellState &s, uint32_t addr, uint32_t *value, Step step) {
        s.s_axil___05Farvalid = 1;
        s.s_axil___05Faraddr = addr;
        s.s_axil___05Frready = 1;
        int response = -1;
        for (int k = 0; k < 1000 && response < 0; k++) {
            step();
            if (rvalid_) {
                response = rresp_;
                *value = rdata_;
            }
            if (arready_) s.s_axil___05Farvalid = 0;
        }
        s.s_axil___05Frready = 0;
        return response;
    }

  private:
    bool awready_ = false, arready_ = false, bvalid_ = false, rvalid_ = false;
    uint32_t bresp_ = 0, rresp_ = 0, rdata_ = 0;
};

}  // namespace partita
