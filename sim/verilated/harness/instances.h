// Watches the port of each instance to the shell: what it is told and gets, and what it still sends
// as it halts.
//
// The signals that say that something passes are bytes of the shell's state, close together: a few
// words of it, of which all other bytes are masked, are 0 where nothing passes anywhere, and else
// lead to who is concerned.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "monitor.h"

namespace partita {

// Where the shell's state has the signals of an instance's port, in bytes.
struct OwnPort {
    struct Stream {
        size_t valid, ready, payload;
    } asks[kChannels];
    size_t returned, channel, acknowledged, alive;
    Stream data;
};

// The ports of all instances. In a request are `beats_bits` from `beats_first` on its beats. One
// that begins to halt has at most `held[valid]` beats in the register before its port.
template <int kCount>
struct OwnPortMap {
    unsigned beat_bytes, beats_first, beats_bits, held[2];
    OwnPort of[kCount];
    static constexpr int count = kCount;
};

template <const auto &kMap>
class OwnPorts {
  public:
    // A cycle, with all signals settled.
    void look(uint64_t now, const void *shell, std::vector<Monitor> &monitors) {
        state_ = static_cast<const uint8_t *>(shell);
        uint32_t alive = 0, gets = 0;
        for (int i = 0; i < kMap.count; i++) {
            alive |= uint32_t(state_[kMap.of[i].alive]) << i;
            gets |= uint32_t(state_[kMap.of[i].returned]) << i;
        }
        for (uint32_t fallen = alive_ & ~alive; fallen; fallen &= fallen - 1) {
            uint32_t i = __builtin_ctz(fallen);
            of(i, monitors).halts(i, kMap.held[state_[kMap.of[i].data.valid]]);
        }
        alive_ = alive;
        uint64_t any = 0;
        for (size_t k = 0; k < kWords; k++) any |= signs(k);
        if (any) [[unlikely]] tell(now, monitors);
        for (; gets; gets &= gets - 1) {
            uint32_t i = __builtin_ctz(gets);
            of(i, monitors).gets(now, i, state_[kChannel[i]]);
        }
    }

  private:
    // What it says of an instance that a byte is 1; `kTaken` of its first channel, and so on.
    enum Kind : uint8_t { kTaken, kAcknowledged = kTaken + kChannels, kSends };
    struct Sign {
        uint8_t kind, instance;
    };

    static constexpr size_t bound(bool last) {
        size_t found = kMap.of[0].acknowledged;
        auto see = [&](size_t at) { found = last ? std::max(found, at) : std::min(found, at); };
        for (const OwnPort &port : kMap.of) {
            for (const auto &stream : port.asks) see(stream.ready);
            see(port.acknowledged);
            see(port.data.ready);
        }
        return found;
    }
    static constexpr size_t kWords = (bound(true) - bound(false)) / 8 + 1;
    struct Signs {
        size_t first = bound(false);
        uint64_t masks[kWords]{};
        Sign of[8 * kWords]{};
        constexpr void add(size_t at, int kind, int instance) {
            at -= first;
            masks[at / 8] |= 1ull << at % 8 * 8;
            of[at] = {uint8_t(kind), uint8_t(instance)};
        }
        constexpr Signs() {
            for (int i = 0; i < kMap.count; i++) {
                const OwnPort &port = kMap.of[i];
                for (int c = 0; c < kChannels; c++) add(port.asks[c].ready, kTaken + c, i);
                add(port.acknowledged, kAcknowledged, i);
                add(port.data.ready, kSends, i);
            }
        }
    };
    static constexpr Signs kSigns{};
    // Where the channel is on which an instance gets a beat.
    static constexpr auto kChannel = [] {
        std::array<uint32_t, kMap.count> found{};
        for (int i = 0; i < kMap.count; i++) found[i] = kMap.of[i].channel;
        return found;
    }();


    uint64_t signs(size_t k) const {
        return read<uint64_t>(kSigns.first + 8 * k) & kSigns.masks[k];
    }
    void tell(uint64_t now, std::vector<Monitor> &monitors) {
        for (size_t k = 0; k < kWords; k++)
            for (uint64_t left = signs(k); left; left &= left - 1) {
                Sign sign = kSigns.of[8 * k + __builtin_ctzll(left) / 8];
                Monitor &monitor = of(sign.instance, monitors);
                if (sign.kind == kAcknowledged)
                    monitor.gets(now, sign.instance, kChannels - 1);
                else if (sign.kind == kSends)
                    send(now, sign.instance, monitor);
                else
                    take(now, sign.instance, sign.kind - kTaken, monitor);
            }
    }
    // Its burst was taken; of a write the one answer is an acknowledgement.
    void take(uint64_t now, uint32_t i, uint32_t channel, Monitor &monitor) {
        const auto &stream = kMap.of[i].asks[channel];
        uint64_t beats = read<uint64_t>(stream.payload + kMap.beats_first / 8)
            >> kMap.beats_first % 8 & ((1ull << kMap.beats_bits) - 1);
        monitor.told(now, i, channel, channel == kChannels - 1 ? 1 : beats,
                     !(alive_ >> i & 1) || state_[stream.valid]);
    }
    // A beat may leave it.
    void send(uint64_t now, uint32_t i, Monitor &monitor) {
        const auto &data = kMap.of[i].data;
        if (alive_ >> i & 1 || !state_[data.valid]) return;
        for (unsigned k = 0; k < (kMap.beat_bytes + 7) / 8; k++)
            if (state_[data.payload + kMap.beat_bytes + k]) return monitor.halted(now, i);
    }

    // Of the one memory port, or the instance's.
    static Monitor &of(uint32_t instance, std::vector<Monitor> &monitors) {
        return monitors[std::min<size_t>(instance, monitors.size() - 1)];
    }
    template <class T>
    T read(size_t at) const {
        T found;
        memcpy(&found, state_ + at, sizeof found);
        return found;
    }

    const uint8_t *state_ = nullptr;
    uint32_t alive_ = 0;  // instances, in the cycle before
};

}  // namespace partita
