// Threads that share the work of every simulated cycle.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace partita {

// `run` calls work(i) for every i below `tasks` and returns when all are done: where they are to be
// shared, in the caller's and `tasks` - 1 other threads. Every thread begins with a task of its
// own, whose data its cache has, and goes on with what others have not begun: nobody waits for one
// that has lost its processor. A cycle takes microseconds, so threads wait for the next one awake,
// and sleep only when it does not come for long.
class Crew {
  public:
    Crew(int tasks, std::function<void(int)> work)
        : tasks_(tasks), work_(std::move(work)), begun_(tasks) {
        for (int k = 1; k < tasks_; k++) threads_.emplace_back([this, k] { serve(k); });
    }
    ~Crew() {
        stop_ = true;
        call();
        for (auto &t : threads_) t.join();
    }
    Crew(const Crew &) = delete;

    void run(bool share) {
        if (!share || tasks_ == 1) {
            for (int i = 0; i < tasks_; i++) work_(i);
            return;
        }
        done_.store(0, std::memory_order_relaxed);
        take_part(0, call());
        for (int spins = 0; done_.load(std::memory_order_acquire) < tasks_; spins++)
            if (spins < kSpins) pause();
            else std::this_thread::yield();
    }

  private:
    static constexpr int kSpins = 5000;  // a tenth of a millisecond or more

    // A task that has been begun in a turn; each in a cache line of its own.
    struct alignas(64) Begun {
        std::atomic<uint32_t> turn{0};
    };

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }

    uint32_t call() {
        uint32_t turn = turn_.fetch_add(1, std::memory_order_release) + 1;
        turn_.notify_all();
        return turn;
    }

    void take_part(int k, uint32_t turn) {
        for (int other = 0; other < tasks_; other++) {
            int i = (k + other) % tasks_;
            // Fails too for one who comes so late that the next turn is under way.
            uint32_t before = turn - 1;
            if (!begun_[i].turn.compare_exchange_strong(before, turn, std::memory_order_acq_rel))
                continue;
            work_(i);
            done_.fetch_add(1, std::memory_order_release);
        }
    }

    void serve(int k) {
        for (uint32_t seen = 0;;) {
            for (int spins = 0; turn_.load(std::memory_order_acquire) == seen; spins++)
                if (spins < kSpins) pause();
                else turn_.wait(seen, std::memory_order_acquire);
            seen = turn_.load(std::memory_order_acquire);
            if (stop_) return;
            take_part(k, seen);
        }
    }

    int tasks_;
    std::function<void(int)> work_;
    std::vector<Begun> begun_;
    alignas(64) std::atomic<uint32_t> turn_{0};
    alignas(64) std::atomic<int> done_{0};
    std::atomic<bool> stop_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace partita
