// A value change dump that remembers why nothing more could be written: Verilator's own file ends
// the program then.
#pragma once
#include <cerrno>

#include "verilated_vcd_c.h"

namespace partita {

struct VcdFile : VerilatedVcdFile {
    int error = 0;
    ssize_t write(const char *data, ssize_t size) override {
        ssize_t got = error ? size : VerilatedVcdFile::write(data, size);
        if (got >= 0 || errno == EAGAIN || errno == EINTR) return got;
        error = errno;
        return size;
    }
};

class TraceFile : private VcdFile, public VerilatedVcdC {
  public:
    TraceFile() : VerilatedVcdC(static_cast<VcdFile *>(this)) {}
    ~TraceFile() override { VerilatedVcdC::close(); }
    int error() const { return VcdFile::error; }
    using VerilatedVcdC::close;
    using VerilatedVcdC::open;
};

}  // namespace partita
