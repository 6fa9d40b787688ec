/* Runs a compiled network on a Partita accelerator: C99, no dependencies, no allocation.
 *
 *     struct partita p;
 *     partita_open(&p, &bus)                     is there an accelerator of this driver's kind?
 *     partita_load(&p, &partita_network, base, image, sizeof image)
 *     partita_start(&p, input)                   int8 [channels][rows][columns]
 *     partita_wait(&p, 100000000)                at most so many of its clock cycles
 *     partita_read_output(&p, output)            int8 [channels][rows][columns]
 *
 * Each returns PARTITA_OK or what went wrong, which `p.message` says in words. `partita_network`
 * is in partita_network.h, the bytes of the image are in image.bin.
 */
#ifndef PARTITA_H
#define PARTITA_H

#include <stddef.h>
#include <stdint.h>

#include "partita_registers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the host reaches the accelerator. Each function returns 0, or a number of its own for what
 * went wrong, which the message repeats. Addresses are the accelerator's, of a register or of a
 * byte at its memory port. Blocks have any length and address; what is written must have left the
 * host's caches when the function returns, and what is read must not come from there. */
struct partita_bus {
    void *context; /* given to each of them */
    int (*read32)(void *context, uint32_t address, uint32_t *value);
    int (*write32)(void *context, uint32_t address, uint32_t value);
    int (*read_block)(void *context, uint32_t address, void *data, size_t bytes);
    int (*write_block)(void *context, uint32_t address, const void *data, size_t bytes);
};

typedef enum {
    PARTITA_OK,
    PARTITA_BUS,      /* a function of the bus failed */
    PARTITA_MISMATCH, /* hardware, network, image and driver do not belong together */
    PARTITA_USAGE,    /* a wrong argument, or nothing is loaded or started */
    PARTITA_RUNNING,  /* it runs: wait for it, or stop it */
    PARTITA_TIMEOUT,  /* it did not end in time, and has been stopped */
    PARTITA_FAULT,    /* an instance stopped with an error */
    PARTITA_STUCK,    /* it does not stop, or its clock stands still: reset it */
    PARTITA_WRAPPED   /* it took 2^32 cycles or more, which no counter holds */
} partita_status;

#define PARTITA_NOWHERE 0xFFFFFFFFu
struct partita_layer {
    const char *name;
    uint32_t offset; /* of its output in the window; PARTITA_NOWHERE if it is not kept */
    uint32_t channels, rows, columns;
};

/* A compiled network. In memory a tensor is blocks of `word_channels` channels; a block is rows of
 * columns of words, a word its channels' values and zeros up to `word_bytes`. The input's channels
 * are those of the image by each tap of the first kernel, which is 1x1 where none is packed. */
struct partita_network {
    const char *name;
    uint32_t isa_version, map_version, config_hash, instances, address_bits;
    uint32_t window_bytes, image_offset, image_bytes, image_crc32, start_mask;
    const uint32_t *programs; /* of each instance, offset in the window, or PARTITA_NOWHERE */
    uint32_t word_channels, word_bytes;
    uint32_t channels, rows, columns; /* of the image */
    uint32_t kernel_rows, kernel_columns, top, left, stride_rows, stride_columns;
    uint32_t dilation_rows, dilation_columns, input_offset, input_rows, input_columns;
    int8_t pad_value; /* around the image */
    uint32_t layer_count;
    const struct partita_layer *layers; /* the last one's output is the network's */
};

struct partita {
    const struct partita_bus *bus;
    const struct partita_network *network; /* that is loaded, or NULL */
    uint32_t base;                         /* of its window */
    int started;                           /* since it was loaded */
    char message[512];
};

/* `bus` must stay, and so must `network`; `base` is a multiple of PARTITA_WINDOW_ALIGNMENT. */
partita_status partita_open(struct partita *p, const struct partita_bus *bus);
partita_status partita_load(struct partita *p, const struct partita_network *network,
                            uint32_t base, const void *image, size_t bytes);
partita_status partita_start(struct partita *p, const int8_t *input);
partita_status partita_wait(struct partita *p, uint32_t timeout_cycles);
partita_status partita_stop(struct partita *p); /* whatever runs */
partita_status partita_read_output(struct partita *p, int8_t *output);
partita_status partita_read_layer(struct partita *p, uint32_t layer, int8_t *output);
/* An instance's of the last run, by cause; they sum to those from start to end. */
partita_status partita_read_cycles(struct partita *p, uint32_t instance,
                                   uint32_t by_cause[PARTITA_CAUSE_COUNT]);
const char *partita_cause_name(uint32_t cause);
/* CRC-32 of IEEE 802.3: of what has `crc`, 0 at first, and more. */
uint32_t partita_crc32(uint32_t crc, const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
