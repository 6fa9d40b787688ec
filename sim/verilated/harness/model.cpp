// Runs the Verilated shell and cores against the memory model: the C interface that Python calls.
//
// Shell and core are Verilated once each; N core objects share one copy of the compiled code, and
// each of the functions that it consists of runs for all of them before the next one does.
// After every clock edge the outputs of cores go to the shell and the shell's to the cores. That
// settles in one pass because no core output depends on a core input within a cycle, which
// `settle` checks in every cycle in which checking is on.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "Vcore.h"
#include "Vcore___024root.h"
#include "Vshell.h"
#include "Vshell___024root.h"
#include "verilated.h"
#ifdef PARTITA_VCD
#include "Vcore__Syms.h"
#include "verilated_vcd_c.h"
// Remembers why nothing more could be written; Verilator's own file ends the program then.
struct VcdFile : VerilatedVcdFile {
    int error = 0;
    ssize_t write(const char *data, ssize_t size) override {
        ssize_t got = error ? size : VerilatedVcdFile::write(data, size);
        if (got >= 0 || errno == EAGAIN || errno == EINTR) return got;
        error = errno;
        return size;
    }
};
struct TraceFile : private VcdFile, public VerilatedVcdC {
    TraceFile() : VerilatedVcdC(static_cast<VcdFile *>(this)) {}
    ~TraceFile() override { VerilatedVcdC::close(); }
    int error() const { return VcdFile::error; }
    using VerilatedVcdC::close;
    using VerilatedVcdC::open;
};
#endif

#ifdef PARTITA_MEMORY
#include PARTITA_MEMORY
#else
#include "memory.h"
#endif
#include "advances.h"
#include "causes.h"
#include "crew.h"
#include "instances.h"
#include "monitor.h"
#include "toggles.h"

#include "glue.h"  // generated: kCores, kPorts, kBeatBytes, tables of ports, flip-flops, functions

namespace partita {

class Model {
  public:
    Model(uint64_t memory_bytes, const MemoryOptions &options, int threads)
        : memory(memory_bytes, 0), core_map_(kCoreFlipFlops, kCoreFlipFlopCount),
          shell_map_(kShellFlipFlops, kShellFlipFlopCount), still_(core_map_),
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
        shell_ = shell_model_->rootp;
        for (int i = 0; i < kCores; i++) {
            core_models_.push_back(std::make_unique<Vcore>(
                (i ? context_ : traced_).get(), "core"));
            cores_[i] = core_models_[i]->rootp;
        }
        for (int p = 0; p < kPorts; p++) {
            ports_.emplace_back(options, memory, kBeatBytes, p, traffic, fault);
            monitors_.emplace_back(kBeatBytes, kCores, kPorts > 1 ? p : -1, permits, breach);
        }
        still_inputs();
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
        shell_->rst = 1;
        for (auto &c : cores_) c->rst = 1;
        for (int k = 0; k < 4; k++) step();
        shell_->rst = 0;
        for (auto &c : cores_) c->rst = 0;
        step();
    }

    // AXI4-Lite accesses; the clock runs meanwhile: a read of the log waits until all is in it.
    // Return the response, -1 if there is none.
    int write_register(uint32_t addr, uint32_t value) {
        shell_->s_axil___05Fawvalid = shell_->s_axil___05Fwvalid = 1;
        shell_->s_axil___05Fawaddr = addr;
        shell_->s_axil___05Fwdata = value;
        shell_->s_axil___05Fwstrb = 15;
        shell_->s_axil___05Fbready = 1;
        int response = -1;
        for (int k = 0; k < 100 && response < 0; k++) {
            step();
            if (axil_bvalid_) permits.answer(response = axil_bresp_);
            if (!axil_awready_) continue;
            shell_->s_axil___05Fawvalid = shell_->s_axil___05Fwvalid = 0;
            permits.take(addr, value);
        }
        shell_->s_axil___05Fbready = 0;
        return response;
    }
    int read_register(uint32_t addr, uint32_t *value) {
        shell_->s_axil___05Farvalid = 1;
        shell_->s_axil___05Faraddr = addr;
        shell_->s_axil___05Frready = 1;
        int response = -1;
        for (int k = 0; k < 1000 && response < 0; k++) {
            step();
            if (axil_rvalid_) {
                response = axil_rresp_;
                *value = axil_rdata_;
            }
            if (axil_arready_) shell_->s_axil___05Farvalid = 0;
        }
        shell_->s_axil___05Frready = 0;
        return response;
    }

    // Run until every started instance has ended, at most so many cycles.
    uint64_t run(uint64_t limit) {
        uint64_t done = 0;
        while (done < limit && fault.empty()) {
            step();
            done++;
            if (shell_->irq) break;
        }
        return done;
    }
    // Every started instance has ended.
    bool all_ended() const { return shell_->irq; }

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
            cores_[0]->vlSymsp->__Vm_activity = true;
            file.dump(cycle);
        }
        file.close();
        return file.error();
    }
#endif

    void count_toggles(bool on) {
        counters_.clear();
        if (!on) return;
        for (auto &c : cores_)
            counters_.push_back(std::make_unique<ToggleCounter>(core_map_, c));
        counters_.push_back(std::make_unique<ToggleCounter>(shell_map_, shell_));
    }

    // Start a new account of toggles, traffic and layers.
    void begin() {
        for (auto &c : counters_) {
            c->take();
            c->capture();
            c->reset_cycles();
        }
        toggles.clear();
        ended.fill(0);
        traffic.clear();
    }

    // Close the account: what each unit did after its last mark belongs to this layer.
    void end(uint32_t layer) {
        for (size_t i = 0; i < counters_.size(); i++) book(int(i), layer);
    }

    void book(int unit, uint32_t layer) {
        const std::vector<uint64_t> &fresh = counters_[unit]->take();
        Entry &entry = toggles[{unit, layer}];
        if (entry.per_bit.empty()) entry.per_bit.resize(fresh.size());
        for (size_t k = 0; k < fresh.size(); k++) entry.per_bit[k] += fresh[k];
        entry.cycles += counters_[unit]->cycles();
        counters_[unit]->reset_cycles();
    }

    struct Entry {
        std::vector<uint64_t> per_bit;
        uint64_t cycles = 0;
    };

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
    uint64_t cycle = 0;
    bool checking = false, doze = true;
    std::map<std::pair<int, uint32_t>, Entry> toggles;
    std::array<uint32_t, kCores> ended{};  // layers, of each core
    Causes<kCores> causes;  // found while checking
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

    // Whoever asks for nothing: what noise there is in the inputs that no cycle sets goes.
    void still_inputs() {
        for (auto &c : cores_) c->clk = 0;
        shell_->clk = shell_->s_axil___05Fawvalid = shell_->s_axil___05Fwvalid = 0;
        shell_->s_axil___05Farvalid = shell_->s_axil___05Fbready = shell_->s_axil___05Frready = 0;
    }

    // Give the cores their inputs. `rise` settles what follows them; evaluating a core before that
    // only shows that none of its outputs follows an input.
    void settle() {
        for (int i = 0; i < kCores; i++) {
            if (checking && !core_hears(i, *shell_, *cores_[i])) look_again_[i] = 0;
            shell_to_core(i, *shell_, *cores_[i]);
            if (!doze) stay_awake(*cores_[i]);
            if (!checking) continue;
            core_models_[i]->eval();  // the clock is low: nothing but `rise` makes an edge
            if (!core_agrees(i, *shell_, *cores_[i]))
                fault = "a core output depends on a core input within a cycle";
        }
    }

    void sample(int p, AxiFromDevice &d) {
        port_sample(p, *shell_, d);
        d.running = shell_->running != 0;
    }
    static bool asks_the_same(const AxiFromDevice &a, const AxiFromDevice &b) {
        return a.ar.valid == b.ar.valid && a.aw.valid == b.aw.valid && a.wvalid == b.wvalid
            && a.rready == b.rready && a.bready == b.bready && a.running == b.running;
    }

    void step() {
        AxiFromDevice device[kPorts];
        const AxiToDevice *answers[kPorts];
        if constexpr (MemoryPort::kFollows) evaluate(kShellSettle, shell_);
        for (int p = 0; p < kPorts; p++) {
            sample(p, device[p]);
            answers[p] = &ports_[p].drive(cycle, device[p]);
            port_drive(p, *shell_, *answers[p]);
        }
        evaluate(kShellSettle, shell_);
        settle();
        permits.follow(shell_->running);
        for (int p = 0; p < kPorts; p++) {
            AxiFromDevice before = device[p];
            sample(p, device[p]);
            if (MemoryPort::kFollows && !asks_the_same(before, device[p]))
                fault = "what a port asks depends on the memory's answer within a cycle";
            monitors_[p].look(cycle, device[p], *answers[p]);
        }
        own_ports_.look(cycle, shell_, monitors_);
        if (breach.rule) fault = breach.rule;
        axil_awready_ = shell_->s_axil___05Fawready;
        axil_arready_ = shell_->s_axil___05Farready;
        axil_bvalid_ = shell_->s_axil___05Fbvalid;
        axil_bresp_ = shell_->s_axil___05Fbresp;
        axil_rvalid_ = shell_->s_axil___05Frvalid;
        axil_rdata_ = shell_->s_axil___05Frdata;
        axil_rresp_ = shell_->s_axil___05Frresp;
        uint32_t marked = shell_->mark_valid, layers[kCores];
        if (marked)
            for (int i = 0; i < kCores; i++) layers[i] = mark_layer(*cores_[i]);
        uint32_t clocks = shell_->rst ? ~0u : uint32_t(shell_->clocks);
        clocked_.clear();
        for (int i = 0; i < kCores; i++)
            if (clocks >> i & 1) clocked_.push_back(i);
        if (checking) find_causes();
        if (checking) sleepers_stay(clocks);
        if constexpr (kSpares)
            for (int i : clocked_) traffic.spare(spared_layer(*cores_[i]), spared(*cores_[i]));

        evaluate(kShellClock, shell_);
        crew_.run(clocked_.size() > 1);
        for (int i : clocked_) core_to_shell(i, *shell_, *cores_[i]);
        if (kUnits && checking) units_tell();
        else advances_.clear();
        for (int p = 0; p < kPorts; p++) ports_[p].edge(cycle, device[p]);
        cycle++;
        if (!counters_.empty()) counters_[kCores]->cycle();
        if (marked) note_marks(marked, layers);
    }

    // Call functions of a Verilated model, each for some objects before the next.
    template <class Root>
    static void evaluate(const std::vector<void (*)(Root *)> &functions, Root *const *first,
                         Root *const *last) {
        for (auto function : functions)
            for (auto root = first; root != last; root++) function(*root);
    }
    template <class Root>
    static void evaluate(const std::vector<void (*)(Root *)> &functions, Root *root) {
        evaluate(functions, &root, &root + 1);
    }

    // The clock edge of a share of the cores that have a clock, and what they toggle.
    void clock_cores(int share) {
        size_t first = clocked_.size() * share / shares_;
        size_t end = clocked_.size() * (share + 1) / shares_;
        CoreState *roots[kCores], **last = roots;
        for (size_t k = first; k < end; k++) *last++ = cores_[clocked_[k]];
        rise(roots, last);
        if (counters_.empty()) return;
        for (size_t k = first; k < end; k++) counters_[clocked_[k]]->cycle();
    }

    static void rise(CoreState *const *first, CoreState *const *last) {
        evaluate(kCoreSettle, first, last);
        evaluate(kCoreClock, first, last);
    }

    // Whoever dozes and has no clock would not change if it had one. While it hears nothing new but
    // how long it has slept, that is looked at in some cycles.
    void sleepers_stay(uint32_t clocks) {
        for (int i = 0; i < kCores; i++) {
            bool sleeps = !(clocks >> i & 1) && is_dozing(*cores_[i]);
            if (!sleeps) look_again_[i] = 0;
            if (!sleeps || look_again_[i]-- > 0) continue;
            look_again_[i] = kUnseen;
            CoreState *root = cores_[i];
            still_.capture(root);
            rise(&root, &root + 1);
            int number = still_.changed(root);
            if (number >= 0)
                fault = "register " + std::to_string(number) + " of a core changes asleep";
            if (!core_agrees(i, *shell_, *cores_[i]))
                fault = "an output of a core changes asleep";
        }
    }

    // A cycle counts where any core runs.
    void find_causes() {
        if (!kShows || !shell_->running) return void(ran_ = false);
        if (!ran_) causes.clear();
        ran_ = true;
        for (int i = 0; i < kCores; i++) causes.add(i, shown(*cores_[i]));
    }

    // No unit's registers change without its saying so.
    void units_tell() {
        if (advances_.empty())
            for (auto &c : cores_) advances_.emplace_back(core_map_, kUnitOf, c);
        for (int i : clocked_) {
            long number = advances_[i].cycle(advanced(*cores_[i]));
            if (number >= 0)
                fault = "register " + std::to_string(number)
                    + " of a core changes though its unit does not advance";
        }
    }

    void note_marks(uint32_t marked, const uint32_t *layers) {
        for (int i = 0; i < kCores; i++)
            if (marked >> i & 1) {
                ended[i]++;
                if (counters_.empty()) continue;
                book(i, layers[i]);
                book(kCores, layers[i]);
            }
    }

    // A trace holds every model of a context: core 0 has one of its own.
    std::unique_ptr<VerilatedContext> context_, traced_;
    std::unique_ptr<Vshell> shell_model_;
    std::vector<std::unique_ptr<Vcore>> core_models_;
    // Their state: the models refer to each of their ports by a pointer.
    ShellState *shell_;
    std::array<CoreState *, kCores> cores_;
    std::vector<MemoryPort> ports_;
    std::vector<Monitor> monitors_;
    OwnPorts<kOwnPorts> own_ports_;
    StateMap core_map_, shell_map_;
    Stillness still_;  // of a core that sleeps
    // Cycles between two looks at a core that sleeps; 17 apart, they see each low digit of how long.
    static constexpr int kUnseen = 16;
    std::array<int, kCores> look_again_{};  // cycles until a core that sleeps is looked at
    std::vector<std::unique_ptr<ToggleCounter>> counters_;
    std::vector<AdvanceCheck> advances_;
    std::vector<int> clocked_;  // cores that have a clock in this cycle
    int shares_;                // in which threads clock them
    bool axil_awready_ = false, axil_arready_ = false, axil_bvalid_ = false, axil_rvalid_ = false;
    bool ran_ = false;  // a core, in the cycle before
    uint32_t axil_bresp_ = 0, axil_rresp_ = 0, axil_rdata_ = 0;
    Crew crew_;  // the last member: its threads end before what they work on
};

}  // namespace partita

using partita::Model;

static Model &model(void *m) {
    Model &found = *static_cast<Model *>(m);
    found.use();
    return found;
}

extern "C" {

void *partita_new(uint64_t memory_bytes, uint32_t latency, uint32_t page_miss,
                  uint32_t page_bytes, uint32_t banks, uint32_t stall_threshold, uint64_t seed,
                  const void *own, int threads, uint64_t noise) {
    partita::MemoryOptions options{latency, page_miss, page_bytes, banks, stall_threshold, seed,
                                   own, noise};
    return new Model(memory_bytes, options, threads);
}
void partita_free(void *m) { delete static_cast<Model *>(m); }
void partita_poke(void *m, uint64_t addr, const uint8_t *data, uint64_t n) {
    model(m).port().poke(addr, data, n);
}
void partita_peek(void *m, uint64_t addr, uint8_t *data, uint64_t n) {
    model(m).port().peek(addr, data, n);
}
int partita_write_register(void *m, uint32_t addr, uint32_t value) {
    return model(m).write_register(addr, value);
}
int partita_read_register(void *m, uint32_t addr, uint32_t *value) {
    return model(m).read_register(addr, value);
}
uint64_t partita_run(void *m, uint64_t limit) { return model(m).run(limit); }
int partita_all_ended(void *m) { return model(m).all_ended(); }
const char *partita_fault(void *m) { return model(m).fault.c_str(); }
// The rule that was broken first, or null; in `where` its cycle, address and bus tag.
const char *partita_breach(void *m, uint64_t *where) {
    const partita::Breach &found = model(m).breach;
    where[0] = found.cycle, where[1] = found.addr, where[2] = found.user;
    return found.rule;
}
// What the memory does wrong from now on, and the seed of its stalls; returns whether it can.
int partita_disturb(void *m, uint64_t read_error, uint64_t write_error, uint64_t stalled_ack,
                    uint32_t stall_cycles, uint32_t ack_delay, uint64_t seed) {
    return model(m).disturb({read_error, write_error, stalled_ack, stall_cycles, ack_delay}, seed);
}
// Answers with an error since then; of the last one the address and the bus tag.
uint64_t partita_disturbed(void *m, uint64_t *where) {
    const partita::Disturbance &found = model(m).disturbance;
    where[0] = found.hit_addr, where[1] = found.hit_user;
    return found.hits;
}
// From now on all programs write nothing but the places that follow.
void partita_guard(void *m) { model(m).permits.guard(); }
void partita_place(void *m, uint32_t layer, uint64_t begin, uint64_t end) {
    model(m).permits.place(layer, {begin, end});
}
void partita_check(void *m, int on) { model(m).checking = on; }
void partita_doze(void *m, int on) { model(m).doze = on; }
void partita_count_toggles(void *m, int on) { model(m).count_toggles(on); }
#ifdef PARTITA_VCD
int partita_trace(void *m, const char *path, uint64_t cycles) {
    return model(m).trace(path, cycles);
}
#endif
void partita_begin(void *m) { model(m).begin(); }
void partita_end(void *m, uint32_t layer) { model(m).end(layer); }
uint64_t partita_cycle(void *m) { return model(m).cycle; }
// Cycles of a core's last run by cause, as found while checking; 0 if the core does not show them.
const uint64_t *partita_causes(void *m, int core) {
    return partita::kShows ? model(m).causes.of(core) : nullptr;
}
// Pages opened since `begin`: [layer 2048].
const uint64_t *partita_page_misses(void *m) { return model(m).traffic.misses.data(); }

// Vectors that dead input blocks have left out since `begin`: [layer 2048].
const uint64_t *partita_spared(void *m) { return model(m).traffic.spared.data(); }

// Bytes moved since `begin`: [layer 2048][channel 4][instance 32].
const uint64_t *partita_traffic(void *m) {
    return model(m).traffic.bytes.data();
}
// Layers that each instance has ended since `begin`.
const uint32_t *partita_layers_ended(void *m) { return model(m).ended.data(); }

// Toggles per flip-flop bit of a unit (an instance, or the shell) in a layer; returns the cycles
// counted, 0 if none were. `counts` has room for partita_flip_flop_bits entries.
uint64_t partita_toggles(void *m, int unit, uint32_t layer, uint64_t *counts) {
    Model &mine = model(m);
    auto found = mine.toggles.find({unit, layer});
    if (found == mine.toggles.end()) return 0;
    std::copy(found->second.per_bit.begin(), found->second.per_bit.end(), counts);
    return found->second.cycles;
}
uint64_t partita_flip_flop_bits(void *m, int unit) {
    return model(m).map(unit).bits();
}
}
