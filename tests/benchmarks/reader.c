/* The clients of the scale section: thousands of streams in one process, of which only the events
 * are counted. It is C, since a reader in Python spends as much on an event as the server does: on
 * a machine with few cores the figures would be its own.
 *
 * Usage: reader PORT NET SOURCES AT_ONCE MARK. The clients connect from SOURCES addresses
 * 127.0.NET.x, at most AT_ONCE of them at a time. MARK is the byte that only an event's data holds.
 *
 * Each line on standard input is answered with one line:
 *   open N       N more clients, once each has the head of its response
 *   replace N    N clients leave, and as many come
 *   begin E      counts anew, E events for each client at most
 *   count        deliveries so far, and the fewest of a client
 *   dump PATH    writes the times of the deliveries, by event and in the order they came,
 *                as 64-bit nanoseconds of CLOCK_MONOTONIC
 * An error ends it with a line that begins with "error". The end of standard input ends it, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define CONSOLE UINT32_MAX
enum { EVENTS_AT_ONCE = 512, HEAD_END = 4 };
enum state { CONNECTING, HEAD, BODY };

struct client {
    int socket;
    enum state state;
    int matched; /* bytes of the end of the head */
    uint32_t seen;
};

static const char REQUEST[] = "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n";

static int port, net, sources, at_once, mark, poll_fd;
static struct client *clients;
static uint32_t count, wanted, connecting, room, expected, sequence;
static uint64_t deliveries, *times;
static uint32_t *arrived;
static char lines[4096];
static size_t line_size;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("error ");
    vprintf(format, arguments);
    printf("\n");
    exit(1);
}

static void *grown(void *memory, size_t items, size_t size) {
    memory = realloc(memory, (items ? items : 1) * size);
    if (!memory) fail("no memory for %zu items", items);
    return memory;
}

static void watch(int operation, int file, uint32_t events, uint32_t index) {
    struct epoll_event event = {.events = events, .data.u32 = index};
    if (epoll_ctl(poll_fd, operation, file, &event)) fail("epoll_ctl: %s", strerror(errno));
}

static void forget_counts(uint32_t events) {
    expected = events;
    deliveries = 0;
    for (uint32_t i = 0; i < count; i++) clients[i].seen = 0;
    times = grown(times, (size_t)events * count, sizeof *times);
    arrived = grown(arrived, events, sizeof *arrived);
    memset(arrived, 0, events * sizeof *arrived);
}

/* -- connections ------------------------------------------------------------------------------ */

static void start(uint32_t index) {
    struct client *client = &clients[index];
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    int yes = 1, source = 1 + sequence++ % sources;
    *client = (struct client){.socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    if (client->socket < 0) fail("socket %u: %s", index, strerror(errno));
    from.sin_addr.s_addr = htonl(0x7f000000 | net << 8 | source);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    /* The system then chooses a port that is free towards this server. */
    setsockopt(client->socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(client->socket, (struct sockaddr *)&from, sizeof from)) fail("bind: %s", strerror(errno));
    if (connect(client->socket, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        fail("connect %u: %s", index, strerror(errno));
    watch(EPOLL_CTL_ADD, client->socket, EPOLLOUT, index);
    connecting++;
}

static void start_more(void) {
    while (count < wanted && connecting < (uint32_t)at_once) {
        if (count == room) clients = grown(clients, room = 2 * room + 64, sizeof *clients);
        start(count++);
    }
}

static void ask(uint32_t index) {
    struct client *client = &clients[index];
    int error = 0, yes = 1;
    socklen_t size = sizeof error;
    getsockopt(client->socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) fail("client %u of %u could not connect: %s", index, wanted, strerror(error));
    setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (write(client->socket, REQUEST, sizeof REQUEST - 1) != sizeof REQUEST - 1)
        fail("write: %s", strerror(errno));
    client->state = HEAD;
    watch(EPOLL_CTL_MOD, client->socket, EPOLLIN, index);
}

/* Returns where the body begins, or the end if the head goes on. */
static const char *after_head(struct client *client, const char *at, const char *end) {
    while (at < end && client->matched < HEAD_END) {
        char byte = *at++;
        client->matched = byte == "\r\n\r\n"[client->matched] ? client->matched + 1 : byte == '\r';
    }
    if (client->matched == HEAD_END) {
        client->state = BODY;
        connecting--;
        if (count == wanted && !connecting) printf("opened %u\n", count);
        start_more();
    }
    return at;
}

static void receive(uint32_t index) {
    static char buffer[1 << 16];
    ssize_t size = recv(clients[index].socket, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) fail("the stream of client %u ended", index);
    const char *at = buffer, *end = buffer + size;
    if (clients[index].state == HEAD) {
        if (!clients[index].matched && size > 12 && memcmp(buffer + 8, " 200", 4))
            fail("the server answered %.12s", buffer);
        at = after_head(&clients[index], at, end); /* may move the clients */
    }
    struct client *client = &clients[index];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t time = now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
    while (at < end && (at = memchr(at, mark, end - at))) {
        at++;
        if (!expected) continue;
        uint32_t event = client->seen++;
        if (event >= expected) fail("client %u got more than %u events", index, expected);
        times[(size_t)event * count + arrived[event]++] = time;
        deliveries++;
    }
}

/* -- commands --------------------------------------------------------------------------------- */

static void replace(uint32_t number) {
    expected = 0;
    wanted = count;
    for (uint32_t left = 0; left < number && count; left++) {
        uint32_t place = left * UINT32_C(7919) % count; /* from all over the table */
        close(clients[place].socket);
        clients[place] = clients[--count]; /* start_more fills the end */
        if (place < count) watch(EPOLL_CTL_MOD, clients[place].socket, EPOLLIN, place);
    }
    start_more();
}

static void dump(const char *path) {
    FILE *file = fopen(path, "wb");
    size_t all = deliveries;
    if (!count || all % count) fail("%zu deliveries to %u clients", all, count);
    if (!file || fwrite(times, sizeof *times, all, file) != all || fclose(file))
        fail("%s: %s", path, strerror(errno));
    printf("dumped\n");
}

static void obey(char *line) {
    char *argument = strchr(line, ' ');
    if (argument) *argument++ = 0;
    uint32_t number = argument ? strtoul(argument, NULL, 10) : 0, fewest = UINT32_MAX;
    if (!strcmp(line, "open")) {
        expected = 0;
        wanted = count + number;
        start_more();
    } else if (!strcmp(line, "replace")) {
        replace(number);
    } else if (!strcmp(line, "begin")) {
        forget_counts(number);
        printf("begun\n");
    } else if (!strcmp(line, "count")) {
        for (uint32_t i = 0; i < count; i++)
            if (clients[i].seen < fewest) fewest = clients[i].seen;
        printf("%llu %u\n", (unsigned long long)deliveries, fewest);
    } else if (!strcmp(line, "dump")) {
        dump(argument);
    } else {
        fail("no command is named %s", line);
    }
}

static void listen_to_console(void) {
    ssize_t size = read(STDIN_FILENO, lines + line_size, sizeof lines - 1 - line_size);
    if (size <= 0) exit(0);
    lines[line_size += size] = 0;
    for (char *end; (end = strchr(lines, '\n'));) {
        *end++ = 0;
        obey(lines);
        line_size = strlen(end);
        memmove(lines, end, line_size + 1);
    }
}

int main(int size, char **arguments) {
    struct epoll_event events[EVENTS_AT_ONCE];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (size != 6) fail("usage: reader PORT NET SOURCES AT_ONCE MARK");
    port = atoi(arguments[1]), net = atoi(arguments[2]), sources = atoi(arguments[3]);
    at_once = atoi(arguments[4]), mark = arguments[5][0];
    poll_fd = epoll_create1(0);
    watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, CONSOLE);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, EVENTS_AT_ONCE, -1), is_told = 0;
        for (int i = 0; i < ready; i++) {
            uint32_t index = events[i].data.u32;
            if (index == CONSOLE) is_told = 1; /* last: it may move the others */
            else if (clients[index].state == CONNECTING) ask(index);
            else receive(index);
        }
        if (is_told) listen_to_console();
    }
}
