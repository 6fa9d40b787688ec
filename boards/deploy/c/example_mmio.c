/* Runs the bundle's network on an accelerator whose registers and memory have addresses of the
 * processor's, as on a RISC-V SoC:
 *
 *     ld -r -z noexecstack -b binary -o image.o image.bin
 *     cc -std=c99 -O2 -DREGISTERS_AT=0x60000000 -DMEMORY_AT=0x80000000 \
 *         -o run partita.c example_mmio.c image.o
 *
 * REGISTERS_AT is where the control registers are, MEMORY_AT where the processor sees address 0 of
 * the accelerator's memory port. FLUSH(at, bytes) and INVALIDATE(at, bytes) are for a processor
 * that caches this memory: write back what is there, and forget it.
 */
#include "partita_network.h"

#if !defined(REGISTERS_AT) || !defined(MEMORY_AT)
#error "say where it is: -DREGISTERS_AT=0x60000000 -DMEMORY_AT=0x80000000"
#endif
#ifndef FLUSH
#define FLUSH(at, bytes) ((void)(at), (void)(bytes), __sync_synchronize())
#define INVALIDATE(at, bytes) FLUSH(at, bytes)
#endif

/* What `ld -r -b binary` calls the bytes of image.bin. */
extern const uint8_t _binary_image_bin_start[], _binary_image_bin_end[];

static int read32(void *context, uint32_t address, uint32_t *value)
{
    (void)context;
    *value = *(volatile uint32_t *)((uintptr_t)REGISTERS_AT + address);
    return 0;
}

static int write32(void *context, uint32_t address, uint32_t value)
{
    (void)context;
    *(volatile uint32_t *)((uintptr_t)REGISTERS_AT + address) = value;
    return 0;
}

static int read_block(void *context, uint32_t address, void *data, size_t bytes)
{
    const volatile uint8_t *from = (const volatile uint8_t *)((uintptr_t)MEMORY_AT + address);
    uint8_t *to = data;
    (void)context;
    INVALIDATE(from, bytes);
    for (size_t k = 0; k < bytes; k++)
        to[k] = from[k];
    return 0;
}

static int write_block(void *context, uint32_t address, const void *data, size_t bytes)
{
    volatile uint8_t *to = (volatile uint8_t *)((uintptr_t)MEMORY_AT + address);
    const uint8_t *from = data;
    (void)context;
    for (size_t k = 0; k < bytes; k++)
        to[k] = from[k];
    FLUSH(to, bytes);
    return 0;
}

static int8_t input[PARTITA_INPUT_BYTES]; /* [channels][rows][columns]: fill it */
static int8_t output[PARTITA_OUTPUT_BYTES];
struct partita accelerator; /* its message, in a debugger, says what went wrong */

int main(void)
{
    static const struct partita_bus bus = {NULL, read32, write32, read_block, write_block};
    struct partita *p = &accelerator;
    size_t bytes = (size_t)(_binary_image_bin_end - _binary_image_bin_start);
    partita_status status = partita_open(p, &bus);
    if (!status)
        status = partita_stop(p); /* what an earlier program has left running */
    if (!status)
        status = partita_load(p, &partita_network, PARTITA_WINDOW_BASE, _binary_image_bin_start,
                              bytes);
    if (!status)
        status = partita_start(p, input);
    if (!status)
        status = partita_wait(p, 1000000000);
    if (!status)
        status = partita_read_output(p, output);
    return (int)status;
}
