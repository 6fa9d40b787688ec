// The Verilated shell and cores against the memory model.
//
// Shell and core are Verilated once each; N core objects share one copy of the compiled code, and
// each of the functions that it consists of runs for all of them before the next one does.
// After every clock edge the outputs of cores go to the shell and the shell's to the cores. That
// settles in one pass because no core output depends on a core input within a cycle, which
// `settle` checks in every cycle in which checking is on.
#pragma once
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "Vcore.h"
#include "Vshell.h"
#include "verilated.h"
#ifdef PARTITA_VCD
#include "Vcore__Syms.h"
#include "trace.h"
#endif

#ifdef PARTITA_MEMORY
#include PARTITA_MEMORY
#else
#include "memory.h"
#endif
#include "accounts.h"
#include "checks.h"
#include "crew.h"
#include "host.h"
#include "machine.h"
#include "monitor.h"

namespace partita {

class Model {
  public:
    Model(uint64_t memory_bytes, const MemoryOptions &options, int threads)
        : memory(memory_bytes, 0), core_map_(kCoreFlipFlops, kCoreFlipFlopCount),
          shell_map_(kShellFlipFlops, kShellFlipFlopCount), checks_(machine_, core_map_, fault),
          shares_(std::clamp(threads, 1, kCores)),
          crew_(shares_, [this](int share) { clock_cores(share); }) {
        context_ = std::make_unique<VerilatedContext>();
        traced_ = std::make_unique<VerilatedContext>();
        for (auto &c : {context_.get(), traced_.get()}) {
            c->threads(1);  // none of Verilator's own
            c->randReset(options.noise ? 2 : 0);
            c->randSeed(int(options.noise));
        }
        use();
        shell_model_ = std::make_unique<Vshell>(context_.get(), "shell");
        machine_.shell = shell_model_->rootp;
        for (int i = 0; i < kCores; i++) {
            core_models_.push_back(std::make_unique<Vcore>(
                (i ? context_ : traced_).get(), "core"));
            machine_.cores[i] = core_models_[i]->rootp;
        }
        for (int p = 0; p < kPorts; p++) {
            ports_.emplace_back(options, memory, kBeatBytes, p, traffic, fault);
            monitors_.emplace_back(kBeatBytes, kCores, kPorts > 1 ? p : -1, permits, breach);
        }
        host_.still(*machine_.shell);
        machine_.shell->clk = 0;
        for (auto &c : machine_.cores) c->clk = 0;
        shell_model_->eval();  // initial blocks, with the clock low
        for (auto &c : core_models_) c->eval();
        reset();
    }
    ~Model() {
        use();
        shell_model_->final();
        for (auto &c : core_models_) c->final();
    }

    // Verilator keeps one context per thread; several models take turns.
    void use() { Verilated::threadContextp(context_.get()); }

    void reset() {
        machine_.shell->rst = 1;
        for (auto &c : machine_.cores) c->rst = 1;
        for (int k = 0; k < 4; k++) step();
        machine_.shell->rst = 0;
        for (auto &c : machine_.cores) c->rst = 0;
        step();
    }

    // The host's accesses to registers; return the response, -1 if there is none.
    int write_register(uint32_t addr, uint32_t value) {
        return host_.write(*machine_.shell, permits, addr, value, [this] { step(); });
    }
    int read_register(uint32_t addr, uint32_t *value) {
        return host_.read(*machine_.shell, addr, value, [this] { step(); });
    }

    // Run until every started instance has ended, at most so many cycles.
    uint64_t run(uint64_t limit) {
        uint64_t done = 0;
        while (done < limit && fault.empty()) {
            step();
            done++;
            if (machine_.shell->irq) break;
        }
        return done;
    }
    // Every started instance has ended.
    bool all_ended() const { return machine_.shell->irq; }

#ifdef PARTITA_VCD
    // Write core 0's signals of so many cycles to a file, with one sample after each clock edge:
    // registers as they are in the cycle that begins, inputs as they were in the one that ends.
    // Returns the system's number of what went wrong with the file, or 0.
    int trace(const char *path, uint64_t cycles) {
        TraceFile file;
        traced_->traceEverOn(true);
        core_models_[0]->trace(&file, 99);
        file.open(path);
        uint64_t end = cycle + cycles;
        for (file.dump(cycle); cycle < end;) {
            step();
            machine_.cores[0]->vlSymsp->__Vm_activity = true;
            file.dump(cycle);
        }
        file.close();
        return file.error();
    }
#endif

    void count_toggles(bool on) {
        std::vector<Accounts::Unit> units;
        if (on) {
            for (auto &c : machine_.cores) units.push_back({core_map_, c});
            units.push_back({shell_map_, machine_.shell});
        }
        accounts.count(units);
    }

    // Start a new account of toggles, traffic and layers.
    void begin() {
        accounts.begin();
        ended.fill(0);
        traffic.clear();
    }

    // From now on the memory does this wrong. Returns whether it is one that can.
    bool disturb(const Disturbance &wrong, uint64_t seed) {
        disturbance = wrong;
        return disturb(ports_, seed);
    }

    std::vector<uint8_t> memory;
    Disturbance disturbance;
    Traffic traffic;
    std::string fault;
    Permits permits;
    Breach breach;
    Accounts accounts;
    uint64_t cycle = 0;
    bool checking = false, doze = true;
    std::array<uint32_t, kCores> ended{};  // layers, of each core
    // Cycles of a core's last run by cause, found while checking; null if it does not show them.
    const uint64_t *causes(int core) const { return kShows ? checks_.causes.of(core) : nullptr; }
    MemoryPort &port() { return ports_[0]; }  // all see one address space
    const StateMap &map(int unit) const { return unit < kCores ? core_map_ : shell_map_; }

  private:
    template <class Port>
    bool disturb(std::vector<Port> &ports, uint64_t seed) {
        if constexpr (requires { ports[0].disturb(&disturbance, seed); }) {
            for (Port &port : ports) port.disturb(&disturbance, seed);
            return true;
        }
        return false;
    }

    // Give the cores their inputs. `rise` settles what follows them; evaluating a core before that
    // only shows that none of its outputs follows an input.
    void settle() {
        for (int i = 0; i < kCores; i++) {
            if (checking) checks_.listen(i);
            shell_to_core(i, *machine_.shell, *machine_.cores[i]);
            if (!doze) stay_awake(*machine_.cores[i]);
            if (!checking) continue;
            core_models_[i]->eval();  // the clock is low: nothing but `rise` makes an edge
            checks_.settled(i);
        }
    }

    void sample(int p, AxiFromDevice &d) {
        port_sample(p, *machine_.shell, d);
        d.running = machine_.shell->running != 0;
    }
    static bool asks_the_same(const AxiFromDevice &a, const AxiFromDevice &b) {
        return a.ar.valid == b.ar.valid && a.aw.valid == b.aw.valid && a.wvalid == b.wvalid
            && a.rready == b.rready && a.bready == b.bready && a.running == b.running;
    }

    void step() {
        AxiFromDevice device[kPorts];
        const AxiToDevice *answers[kPorts];
        if constexpr (MemoryPort::kFollows) evaluate(kShellSettle, machine_.shell);
        for (int p = 0; p < kPorts; p++) {
            sample(p, device[p]);
            answers[p] = &ports_[p].drive(cycle, device[p]);
            port_drive(p, *machine_.shell, *answers[p]);
        }
        evaluate(kShellSettle, machine_.shell);
        settle();
        watch(device, answers);
        host_.sample(*machine_.shell);
        uint32_t marked = machine_.shell->mark_valid, layers[kCores];
        if (marked)
            for (int i = 0; i < kCores; i++) layers[i] = mark_layer(*machine_.cores[i]);
        uint32_t clocks = machine_.shell->rst ? ~0u : uint32_t(machine_.shell->clocks);
        clocked_.clear();
        for (int i = 0; i < kCores; i++)
            if (clocks >> i & 1) clocked_.push_back(i);
        if (checking) {
            checks_.find_causes();
            checks_.sleepers_stay(clocks);
        }
        if constexpr (kSpares)
            for (int i : clocked_) traffic.spare(spared_layer(*machine_.cores[i]), spared(*machine_.cores[i]));

        evaluate(kShellClock, machine_.shell);
        crew_.run(clocked_.size() > 1);
        for (int i : clocked_) core_to_shell(i, *machine_.shell, *machine_.cores[i]);
        if (kUnits && checking) checks_.units_tell(clocked_);
        else checks_.rest();
        for (int p = 0; p < kPorts; p++) ports_[p].edge(cycle, device[p]);
        cycle++;
        if (accounts.on()) accounts.cycle(kCores);
        if (marked) note_marks(marked, layers);
    }

    // What passes the ports in this cycle, with all signals settled.
    void watch(AxiFromDevice *device, const AxiToDevice *const *answers) {
        permits.follow(machine_.shell->running);
        for (int p = 0; p < kPorts; p++) {
            AxiFromDevice before = device[p];
            sample(p, device[p]);
            if (MemoryPort::kFollows && !asks_the_same(before, device[p]))
                fault = "what a port asks depends on the memory's answer within a cycle";
            monitors_[p].look(cycle, device[p], *answers[p]);
        }
        own_ports_.look(cycle, machine_.shell, monitors_);
        if (breach.rule) fault = breach.rule;
    }

    // The clock edge of a share of the cores that have a clock, and what they toggle.
    void clock_cores(int share) {
        size_t first = clocked_.size() * share / shares_;
        size_t end = clocked_.size() * (share + 1) / shares_;
        CoreState *roots[kCores], **last = roots;
        for (size_t k = first; k < end; k++) *last++ = machine_.cores[clocked_[k]];
        rise(roots, last);
        if (!accounts.on()) return;
        for (size_t k = first; k < end; k++) accounts.cycle(clocked_[k]);
    }

    void note_marks(uint32_t marked, const uint32_t *layers) {
        for (int i = 0; i < kCores; i++)
            if (marked >> i & 1) {
                ended[i]++;
                if (!accounts.on()) continue;
                accounts.book(i, layers[i]);
                accounts.book(kCores, layers[i]);
            }
    }

    // A trace holds every model of a context: core 0 has one of its own.
    std::unique_ptr<VerilatedContext> context_, traced_;
    std::unique_ptr<Vshell> shell_model_;
    std::vector<std::unique_ptr<Vcore>> core_models_;
    Machine machine_;
    std::vector<MemoryPort> ports_;
    std::vector<Monitor> monitors_;
    OwnPorts<kOwnPorts> own_ports_;
    Host host_;
    StateMap core_map_, shell_map_;
    CoreChecks checks_;
    std::vector<int> clocked_;  // cores that have a clock in this cycle
    int shares_;                // in which threads clock them
    Crew crew_;  // the last member: its threads end before what they work on
};

}  // namespace partita
