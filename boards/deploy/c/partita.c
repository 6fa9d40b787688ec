/* Runs a compiled network on a Partita accelerator: see partita.h. */
#include "partita.h"

#include <stdarg.h>

#define CHUNK 1024u /* bytes that are packed at a time; a word has 32 at most */
/* Reads of the cycle counter, without a change, after which its clock is said to stand still. */
#define STILL_READS 10000u
/* Leave a function with what went wrong. */
#define TRY(call) do { partita_status s_ = (call); if (s_) return s_; } while (0)
#define WORD(table, k, which) ((k) < sizeof table / sizeof *table ? table[k][which] : "?")
static const uint32_t cause_registers[] = {PARTITA_CAUSE_REGISTERS};
static const char *const causes[][2] = {PARTITA_CAUSE_WORDS};
static const char *const errors[][2] = {PARTITA_ERROR_WORDS};
static const char *const opcodes[][2] = {PARTITA_OPCODE_WORDS};

const char *partita_cause_name(uint32_t cause) { return WORD(causes, cause, 0); }

static void put(struct partita *p, const char *text)
{
    size_t at = 0;
    while (p->message[at])
        at++;
    while (*text && at + 1 < sizeof p->message)
        p->message[at++] = *text++;
    p->message[at] = 0;
}

static void put_number(struct partita *p, uint32_t value, uint32_t base)
{
    char digits[11], *at = digits + sizeof digits - 1;
    *at = 0;
    do
        *--at = "0123456789abcdef"[value % base];
    while (value /= base);
    put(p, at);
}

/* Write the message, or with PARTITA_OK go on with it: %s text, %u and %x a uint32_t. */
static partita_status tell(struct partita *p, partita_status status, const char *format, ...)
{
    va_list values;
    if (status)
        p->message[0] = 0;
    va_start(values, format);
    for (; *format; format++) {
        const char one[2] = {*format, 0};
        if (*format != '%')
            put(p, one);
        else if (*++format == 's')
            put(p, va_arg(values, const char *));
        else
            put_number(p, va_arg(values, uint32_t), *format == 'x' ? 16 : 10);
    }
    va_end(values);
    return status;
}

static partita_status done(struct partita *p, int code, const char *what, uint32_t address)
{
    return !code ? PARTITA_OK : tell(p, PARTITA_BUS, "%s at 0x%x failed: error %u of the bus", what,
                                     address, (uint32_t)(code < 0 ? -code : code));
}

static partita_status read32(struct partita *p, uint32_t address, uint32_t *value)
{
    return done(p, p->bus->read32(p->bus->context, address, value), "reading a register", address);
}

static partita_status write32(struct partita *p, uint32_t address, uint32_t value)
{
    return done(p, p->bus->write32(p->bus->context, address, value), "writing a register", address);
}

static partita_status write_block(struct partita *p, uint32_t at, const void *data, size_t bytes)
{
    return done(p, p->bus->write_block(p->bus->context, at, data, bytes), "writing memory", at);
}

uint32_t partita_crc32(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (crc = ~crc; bytes--;) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? PARTITA_CRC_POLYNOMIAL : 0);
    }
    return ~crc;
}

partita_status partita_open(struct partita *p, const struct partita_bus *bus)
{
    uint32_t id, versions;
    p->bus = bus;
    p->network = NULL;
    p->started = 0;
    p->message[0] = 0;
    TRY(read32(p, PARTITA_REG_ID, &id));
    if (id != PARTITA_MAGIC)
        return tell(p, PARTITA_MISMATCH, "the ID register reads 0x%x, not 0x%x: there is no "
                    "Partita accelerator", id, (uint32_t)PARTITA_MAGIC);
    TRY(read32(p, PARTITA_REG_VERSIONS, &versions));
    if (versions != PARTITA_VERSIONS)
        return tell(p, PARTITA_MISMATCH, "the hardware has instruction format %u and register map "
                    "%u, this driver %u and %u: build the hardware again, or export again",
                    versions & 0xFFFF, versions >> 16, (uint32_t)PARTITA_ISA_VERSION,
                    (uint32_t)PARTITA_MAP_VERSION);
    return PARTITA_OK;
}

static partita_status check_idle(struct partita *p)
{
    uint32_t running;
    TRY(read32(p, PARTITA_REG_RUNNING, &running));
    return !running ? PARTITA_OK : tell(p, PARTITA_RUNNING, "instances 0x%x (mask) run: wait for "
                                        "them, or stop them", running);
}

/* Refuse a network that is not for this driver and hardware, or an image that is not its own. */
static partita_status check_network(struct partita *p, const struct partita_network *n,
                                    uint32_t base, const void *image, size_t bytes)
{
    uint32_t hash, crc;
    if (n->isa_version != PARTITA_ISA_VERSION || n->map_version != PARTITA_MAP_VERSION)
        return tell(p, PARTITA_MISMATCH, "network %s is in instruction format %u for register map "
                    "%u, this driver has %u and %u: export it again", n->name, n->isa_version,
                    n->map_version, (uint32_t)PARTITA_ISA_VERSION, (uint32_t)PARTITA_MAP_VERSION);
    TRY(read32(p, PARTITA_REG_CONFIG_HASH, &hash));
    if (hash != n->config_hash)
        return tell(p, PARTITA_MISMATCH, "the hardware's configuration has hash 0x%x, that of "
                    "network %s 0x%x: export it for this hardware", hash, n->name, n->config_hash);
    crc = partita_crc32(0, image, bytes);
    if (bytes != n->image_bytes || crc != n->image_crc32)
        return tell(p, PARTITA_MISMATCH, "the image has %u bytes and CRC-32 0x%x, that of network "
                    "%s %u and 0x%x: it is another's, cut short or damaged", (uint32_t)bytes, crc,
                    n->name, n->image_bytes, n->image_crc32);
    if (base % PARTITA_WINDOW_ALIGNMENT ||
        (uint64_t)base + n->window_bytes > (uint64_t)1 << n->address_bits)
        return tell(p, PARTITA_USAGE, "a window at 0x%x must begin at a multiple of %u and end, "
                    "with its %u bytes, within 2^%u", base, (uint32_t)PARTITA_WINDOW_ALIGNMENT,
                    n->window_bytes, n->address_bits);
    return check_idle(p);
}

partita_status partita_load(struct partita *p, const struct partita_network *n, uint32_t base,
                            const void *image, size_t bytes)
{
    TRY(check_network(p, n, base, image, bytes));
    p->network = NULL; /* until all of it is there */
    p->started = 0;
    TRY(write_block(p, base + n->image_offset, image, bytes));
    for (uint32_t i = 0; i < n->instances; i++) {
        if (n->programs[i] == PARTITA_NOWHERE)
            continue;
        TRY(write32(p, PARTITA_REG_PROGRAM(i), n->programs[i]));
        TRY(write32(p, PARTITA_REG_WINDOW_BASE(i), base));
        TRY(write32(p, PARTITA_REG_WINDOW_BYTES(i), n->window_bytes));
    }
    TRY(write32(p, PARTITA_REG_ACTIVE, 0xFFFFFFFFu >> (32 - n->instances)));
    TRY(write32(p, PARTITA_REG_WATCHDOG, PARTITA_WATCHDOG_CYCLES));
    p->network = n;
    p->base = base;
    return PARTITA_OK;
}

/* What lies at a row and a column of a channel in memory: a tap of the image. */
static int8_t tap(const struct partita_network *n, const int8_t *image, uint32_t channel,
                  uint32_t row, uint32_t column)
{
    uint32_t taps = n->kernel_rows * n->kernel_columns, of = channel / taps;
    uint32_t ky = channel % taps / n->kernel_columns, kx = channel % n->kernel_columns;
    uint32_t y = row * n->stride_rows + ky * n->dilation_rows - n->top; /* wraps below 0 */
    uint32_t x = column * n->stride_columns + kx * n->dilation_columns - n->left;
    int inside = y < n->rows && x < n->columns;
    return of >= n->channels ? 0 : !inside ? n->pad_value
                                           : image[((size_t)of * n->rows + y) * n->columns + x];
}

static partita_status write_input(struct partita *p, const int8_t *image)
{
    const struct partita_network *n = p->network;
    int8_t chunk[CHUNK];
    uint32_t filled = 0, address = p->base + n->input_offset;
    uint32_t channels = n->channels * n->kernel_rows * n->kernel_columns;
    for (uint32_t first = 0; first < channels; first += n->word_channels)
        for (uint32_t y = 0; y < n->input_rows; y++)
            for (uint32_t x = 0; x < n->input_columns; x++) {
                for (uint32_t k = 0; k < n->word_bytes; k++)
                    chunk[filled++] = k < n->word_channels ? tap(n, image, first + k, y, x) : 0;
                if (filled + n->word_bytes > CHUNK) {
                    TRY(write_block(p, address, chunk, filled));
                    address += filled;
                    filled = 0;
                }
            }
    return filled ? write_block(p, address, chunk, filled) : PARTITA_OK;
}

/* What a run leaves is there once there has been one. */
static partita_status check_started(struct partita *p)
{
    return p->started ? PARTITA_OK : tell(p, PARTITA_USAGE, p->network ?
                                          "nothing has been started" : "no network is loaded");
}

partita_status partita_read_layer(struct partita *p, uint32_t layer, int8_t *output)
{
    const struct partita_network *n = p->network;
    int8_t chunk[CHUNK];
    TRY(check_started(p));
    if (layer >= n->layer_count || n->layers[layer].offset == PARTITA_NOWHERE)
        return tell(p, PARTITA_USAGE, "no output of a layer %u is kept", layer);
    const struct partita_layer *l = &n->layers[layer];
    uint32_t address = p->base + l->offset, pixels = l->rows * l->columns, words;
    TRY(check_idle(p));
    for (uint32_t first = 0; first < l->channels; first += n->word_channels)
        for (uint32_t at = 0; at < pixels; at += words) {
            words = pixels - at < CHUNK / n->word_bytes ? pixels - at : CHUNK / n->word_bytes;
            TRY(done(p, p->bus->read_block(p->bus->context, address, chunk, words * n->word_bytes),
                     "reading memory", address));
            address += words * n->word_bytes;
            for (uint32_t w = 0; w < words; w++)
                for (uint32_t k = 0; k < n->word_channels && first + k < l->channels; k++)
                    output[(size_t)(first + k) * pixels + at + w] = chunk[w * n->word_bytes + k];
        }
    return PARTITA_OK;
}

partita_status partita_read_output(struct partita *p, int8_t *output)
{
    return partita_read_layer(p, p->network ? p->network->layer_count - 1 : 0, output);
}

partita_status partita_start(struct partita *p, const int8_t *input)
{
    if (!p->network)
        return tell(p, PARTITA_USAGE, "no network is loaded");
    TRY(check_idle(p));
    TRY(write_input(p, input));
    p->started = 1; /* even if only the answer is lost */
    return write32(p, PARTITA_REG_START, p->network->start_mask);
}

/* Wait until nothing runs, or for so many cycles from `begun` on: PARTITA_TIMEOUT, or _STUCK. */
static partita_status wait_idle(struct partita *p, uint32_t begun, uint32_t most)
{
    uint32_t running, cycles, before = 0, still = 0;
    for (;;) {
        TRY(read32(p, PARTITA_REG_RUNNING, &running));
        if (!running)
            return PARTITA_OK;
        TRY(read32(p, PARTITA_REG_CYCLES, &cycles));
        still = cycles == before ? still + 1 : 0;
        before = cycles;
        if (still == STILL_READS)
            return tell(p, PARTITA_STUCK, "instances 0x%x (mask) run, and their clock stands still "
                        "at cycle %u: reset the accelerator", running, cycles);
        if (cycles - begun >= most)
            return tell(p, PARTITA_TIMEOUT, "instances 0x%x (mask) still ran after %u cycles; they "
                        "have been stopped", running, cycles - begun);
    }
}

partita_status partita_stop(struct partita *p)
{
    uint32_t cycles;
    TRY(write32(p, PARTITA_REG_STOP, 0xFFFFFFFFu));
    TRY(read32(p, PARTITA_REG_CYCLES, &cycles));
    partita_status status = wait_idle(p, cycles, PARTITA_STOP_CYCLES);
    return status != PARTITA_TIMEOUT ? status : tell(
        p, PARTITA_STUCK, "they do not stop: the memory does not answer; reset the accelerator");
}

/* Say of each instance that has stopped why. */
static partita_status tell_faults(struct partita *p, uint32_t errors_mask)
{
    const struct partita_network *n = p->network;
    uint32_t code, layer, opcode;
    p->message[0] = 0;
    for (uint32_t i = 0; i < n->instances; i++) {
        if (!(errors_mask >> i & 1))
            continue;
        TRY(read32(p, PARTITA_REG_ERROR_CODE(i), &code));
        TRY(read32(p, PARTITA_REG_ERROR_LAYER(i), &layer));
        TRY(read32(p, PARTITA_REG_ERROR_OPCODE(i), &opcode));
        tell(p, PARTITA_OK, "%sinstance %u stopped in layer %u (%s) at %s of its program at 0x%x: "
             "%s (%u): %s", p->message[0] ? "; " : "", i, layer,
             layer < n->layer_count ? n->layers[layer].name : "?", WORD(opcodes, opcode, 0),
             p->base + n->programs[i], WORD(errors, code, 0), code, WORD(errors, code, 1));
    }
    return PARTITA_FAULT;
}

partita_status partita_wait(struct partita *p, uint32_t timeout_cycles)
{
    uint32_t found;
    TRY(check_started(p));
    partita_status status = wait_idle(p, 0, timeout_cycles);
    if (status == PARTITA_TIMEOUT) {
        TRY(partita_stop(p)); /* leaves the message, if it goes well */
        return status;
    }
    TRY(status);
    TRY(read32(p, PARTITA_REG_ERROR, &found));
    if (found &= p->network->start_mask)
        return tell_faults(p, found);
    TRY(read32(p, PARTITA_REG_WRAPPED, &found));
    return found ? tell(p, PARTITA_WRAPPED, "the run took 2^32 cycles or more") : PARTITA_OK;
}

partita_status partita_read_cycles(struct partita *p, uint32_t instance,
                                   uint32_t by_cause[PARTITA_CAUSE_COUNT])
{
    TRY(check_started(p));
    if (instance >= p->network->instances)
        return tell(p, PARTITA_USAGE, "there is no instance %u: there are %u, from 0 on", instance,
                    p->network->instances);
    for (uint32_t k = 0; k < PARTITA_CAUSE_COUNT; k++)
        TRY(read32(p, PARTITA_INSTANCE(instance) + cause_registers[k], &by_cause[k]));
    return PARTITA_OK;
}
