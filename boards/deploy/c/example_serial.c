/* Runs the bundle's network on a board, through its serial link, from Linux:
 *
 *     cc -std=c99 -O2 -o run partita.c example_serial.c && ./run /dev/ttyUSB0 FOLDER [OUTPUT]
 *
 * FOLDER is the bundle's: image.bin is loaded, input.bin run, and what comes out compared with
 * output.bin, and written to OUTPUT. The frames are those of partita_link.h: a request is repeated
 * until it is answered; the board knows it again by its number and does not do it twice.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "partita_link.h"
#include "partita_network.h"

#define MOST (LINK_HEADER_BYTES + LINK_MAX_DATA + LINK_CRC_BYTES)

struct link {
    int port;
    unsigned number, repeats;
    const char *fault; /* what went wrong */
};

static const char *const status_words[] = {LINK_STATUS_WORDS};

static void put(uint8_t *at, uint32_t value, int bytes)
{
    for (; bytes--; value >>= 8)
        *at++ = (uint8_t)value;
}

static uint32_t get(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    while (bytes--)
        value = value << 8 | at[bytes];
    return value;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Send a body between flags, escaped, with its CRC. */
static int send_frame(struct link *link, uint8_t *body, size_t bytes)
{
    uint8_t line[2 * MOST + 2];
    size_t filled = 0;
    put(body + bytes, partita_crc32(0, body, bytes), LINK_CRC_BYTES);
    line[filled++] = LINK_FLAG;
    for (size_t k = 0; k < bytes + LINK_CRC_BYTES; k++) {
        int special = body[k] == LINK_FLAG || body[k] == LINK_ESCAPE;
        if (special)
            line[filled++] = LINK_ESCAPE;
        line[filled++] = special ? body[k] ^ LINK_ESCAPE_XOR : body[k];
    }
    line[filled++] = LINK_FLAG;
    for (size_t sent = 0; sent < filled;) {
        ssize_t count = write(link->port, line + sent, filled - sent);
        if (count < 0 && errno != EINTR)
            return link->fault = strerror(errno), -1;
        sent += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

/* The next body that is whole, without its CRC: its length, or 0 when the time is over. */
static size_t next_body(struct link *link, uint8_t body[MOST], long end_ms)
{
    size_t filled = 0;
    int escaped = 0, spoilt = 0;
    for (;;) {
        uint8_t byte;
        long left = end_ms - now_ms();
        struct pollfd ready = {link->port, POLLIN, 0};
        if (left <= 0 || poll(&ready, 1, (int)left) <= 0 || read(link->port, &byte, 1) != 1) {
            if (left <= 0)
                return 0;
        } else if (byte == LINK_FLAG) {
            if (!spoilt && !escaped && filled >= LINK_HEADER_BYTES + LINK_CRC_BYTES) {
                filled -= LINK_CRC_BYTES;
                if (partita_crc32(0, body, filled) == get(body + filled, LINK_CRC_BYTES))
                    return filled;
            }
            filled = 0;
            escaped = spoilt = 0;
        } else if (byte == LINK_ESCAPE) {
            escaped = 1;
        } else if (filled == MOST) {
            spoilt = 1;
        } else {
            body[filled++] = escaped ? byte ^ LINK_ESCAPE_XOR : byte;
            escaped = 0;
        }
    }
}

/* Ask under the next number until there is an answer; its data must be `due` bytes. */
static int ask(struct link *link, int op, uint32_t address, const void *data, size_t bytes,
               size_t length, void *answer, size_t due)
{
    uint8_t request[MOST], body[MOST];
    unsigned number = link->number = (link->number + 1) & 0xFFFF;
    long wait_ms = LINK_ANSWER_MS + 20000L * MOST / LINK_BAUD;
    put(request + LINK_AT_OP, (uint32_t)op, 1);
    put(request + LINK_AT_SEQUENCE, number, 2);
    put(request + LINK_AT_LENGTH, (uint32_t)length, 2);
    put(request + LINK_AT_ADDRESS, address, 4);
    if (bytes)
        memcpy(request + LINK_HEADER_BYTES, data, bytes);
    for (int tries = 0; tries < LINK_TRIES; tries++) {
        size_t size;
        long end_ms = now_ms() + wait_ms;
        link->repeats += tries > 0;
        wait_ms = 2 * wait_ms < LINK_MOST_WAIT_MS ? 2 * wait_ms : LINK_MOST_WAIT_MS;
        if (send_frame(link, request, LINK_HEADER_BYTES + bytes))
            return -1;
        while ((size = next_body(link, body, end_ms))) {
            uint32_t status = get(body + LINK_AT_ADDRESS, 4);
            if (body[LINK_AT_OP] != (op | LINK_ANSWER) || get(body + LINK_AT_SEQUENCE, 2) != number)
                continue; /* an answer to an earlier try */
            if (status != LINK_STATUS_OK || size != LINK_HEADER_BYTES + due) {
                link->fault = status && status < sizeof status_words / sizeof *status_words
                                  ? status_words[status] : "An answer that is none.";
                return status ? (int)status : -1;
            }
            if (due)
                memcpy(answer, body + LINK_HEADER_BYTES, due);
            return 0;
        }
    }
    link->fault = "No answer: is the board powered, flashed, and the port the right one?";
    return -1;
}

static int read32(void *context, uint32_t address, uint32_t *value)
{
    uint8_t data[4];
    int code = ask(context, LINK_READ_REGISTER, address, NULL, 0, 4, data, 4);
    *value = code ? 0 : get(data, 4);
    return code;
}

static int write32(void *context, uint32_t address, uint32_t value)
{
    uint8_t data[4];
    put(data, value, 4);
    return ask(context, LINK_WRITE_REGISTER, address, data, 4, 4, NULL, 0);
}

static int read_block(void *context, uint32_t address, void *data, size_t bytes)
{
    int code = 0;
    for (size_t at = 0, part; at < bytes && !code; at += part) {
        part = bytes - at < LINK_MAX_DATA ? bytes - at : LINK_MAX_DATA;
        code = ask(context, LINK_READ_MEMORY, address + (uint32_t)at, NULL, 0, part,
                   (uint8_t *)data + at, part);
    }
    return code;
}

static int write_block(void *context, uint32_t address, const void *data, size_t bytes)
{
    int code = 0;
    for (size_t at = 0, part; at < bytes && !code; at += part) {
        part = bytes - at < LINK_MAX_DATA ? bytes - at : LINK_MAX_DATA;
        code = ask(context, LINK_WRITE_MEMORY, address + (uint32_t)at, (const uint8_t *)data + at,
                   part, part, NULL, 0);
    }
    return code;
}

static speed_t speed(void)
{
    switch (LINK_BAUD) {
    case 115200: return B115200;
    case 1000000: return B1000000;
    case 2000000: return B2000000;
    case 3000000: return B3000000;
    }
    return B0;
}

/* Open the port and begin a session; the board must hold the bundle's configuration. */
static int open_link(struct link *link, const char *path)
{
    static const uint8_t expected[] = {LINK_IDENTITY};
    uint8_t found[LINK_IDENTITY_BYTES];
    struct termios settings;
    uint32_t nonce = (uint32_t)time(NULL) ^ (uint32_t)getpid() << 16;
    link->number = nonce >> 8 & 0xFFFF;
    link->port = open(path, O_RDWR | O_NOCTTY);
    if (link->port < 0 || tcgetattr(link->port, &settings))
        return link->fault = strerror(errno), -1;
    settings.c_iflag = settings.c_oflag = settings.c_lflag = 0; /* bytes as they are */
    settings.c_cflag = CS8 | CREAD | CLOCAL;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    if (cfsetspeed(&settings, speed()) || tcsetattr(link->port, TCSANOW, &settings))
        return link->fault = strerror(errno), -1;
    if (ask(link, LINK_HELLO, nonce, NULL, 0, 0, found, sizeof found))
        return -1;
    if (memcmp(found, expected, sizeof expected)) {
        link->fault = found[0] != expected[0]
            ? "The board speaks another version of the link's protocol: build and flash it again."
            : "The board holds another configuration: flash the build that the bundle is for.";
        return -1;
    }
    return 0;
}

static int read_file(const char *folder, const char *name, void *data, size_t bytes)
{
    char path[4096];
    FILE *file;
    size_t found = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if ((file = fopen(path, "rb"))) {
        found = fread(data, 1, bytes, file) + (fgetc(file) != EOF);
        fclose(file);
    }
    if (found != bytes)
        fprintf(stderr, "%s: cannot be read, or has not %lu bytes\n", path, (unsigned long)bytes);
    return found != bytes;
}

static int show(struct partita *p, const int8_t *output, const int8_t *due)
{
    uint32_t by_cause[PARTITA_CAUSE_COUNT], differ = 0, best = 0;
    for (uint32_t i = 0; i < PARTITA_INSTANCES; i++) {
        uint32_t total = 0;
        if (partita_read_cycles(p, i, by_cause))
            return 1;
        for (uint32_t k = 0; k < PARTITA_CAUSE_COUNT; k++)
            total += by_cause[k];
        printf("instance %lu: %lu cycles", (unsigned long)i, (unsigned long)total);
        for (uint32_t k = 0; k < PARTITA_CAUSE_COUNT; k++)
            printf(", %s %lu", partita_cause_name(k), (unsigned long)by_cause[k]);
        printf("\n");
    }
    for (uint32_t k = 0; k < PARTITA_OUTPUT_BYTES; k++) {
        differ += output[k] != due[k];
        best = output[k] > output[best] ? k : best;
    }
    printf("largest output: number %lu, %g\n", (unsigned long)best,
           output[best] * PARTITA_OUTPUT_SCALE);
    printf(differ ? "%lu of %lu values DIFFER from output.bin\n" : "output as in output.bin\n",
           (unsigned long)differ, (unsigned long)PARTITA_OUTPUT_BYTES);
    return differ != 0;
}

int main(int count, char **arguments)
{
    static uint8_t image[PARTITA_IMAGE_BYTES];
    static int8_t input[PARTITA_INPUT_BYTES], output[PARTITA_OUTPUT_BYTES],
        due[PARTITA_OUTPUT_BYTES];
    struct link link = {-1, 0, 0, NULL};
    struct partita_bus bus = {&link, read32, write32, read_block, write_block};
    struct partita p;
    FILE *file;
    if (count < 3) {
        fprintf(stderr, "usage: %s PORT FOLDER [OUTPUT]\n", arguments[0]);
        return 2;
    }
    if (read_file(arguments[2], "image.bin", image, sizeof image)
        || read_file(arguments[2], "input.bin", input, sizeof input)
        || read_file(arguments[2], "output.bin", due, sizeof due))
        return 5;
    if (open_link(&link, arguments[1])) {
        fprintf(stderr, "%s: %s\n", arguments[1], link.fault);
        return 1;
    }
    if (partita_open(&p, &bus) || partita_stop(&p)
        || partita_load(&p, &partita_network, PARTITA_WINDOW_BASE, image, sizeof image)
        || partita_start(&p, input) || partita_wait(&p, 1000000000)
        || partita_read_output(&p, output)) {
        fprintf(stderr, "%s\n%s\n", p.message, link.fault ? link.fault : "");
        return 1;
    }
    if (count > 3 && (!(file = fopen(arguments[3], "wb"))
                      || fwrite(output, 1, sizeof output, file) != sizeof output || fclose(file))) {
        perror(arguments[3]);
        return 5;
    }
    count = show(&p, output, due);
    printf("%s, %lu bytes loaded, %u requests repeated\n", PARTITA_NETWORK_NAME,
           (unsigned long)PARTITA_IMAGE_BYTES, link.repeats);
    return count;
}
