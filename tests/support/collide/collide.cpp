// A block with a memory: its two outputs in each of some cycles.
#include <memory>

#include "Vcollide.h"
#include "verilated.h"

extern "C" void collide_run(uint32_t *same, uint32_t *other, int cycles) {
    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vcollide>(context.get(), "collide");
    for (int k = 0; k < cycles; k++) {
        top->rst = k < 2;
        for (int level = 0; level < 2; level++) {
            top->clk = level;
            top->eval();
        }
        same[k] = top->same;
        other[k] = top->other;
    }
    top->final();
}
