/* The load of the bench: a closed loop of chat requests over keep-alive connections.
 *
 * One thread, epoll; each connection sends its next request when the reply is complete. After the
 * warm-up it prints {"marker":"start"}, at the end one JSON line: requests and events a second,
 * percentiles (microseconds) of latency, of the time to the first event and of each event's age on
 * arrival (from "T<nanoseconds>;" of stub.c). Loopback only, bounded in time.
 *
 * usage: loadgen PORT PATH CONNECTIONS SECONDS WARMUP_SECONDS BODY_FILE KEY [HEADER]
 * build: cc -O2 -o loadgen loadgen.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_REPLY 524288
#define MAX_BODY (1 << 20)
#define EVENTS 256
#define CONTENT "\"content\":"

typedef struct {
    int fd;
    uint64_t began;
    int first_seen; /* the first event of this reply has come */
    char *in;
    size_t n;
    size_t scanned; /* up to here stamps were looked for */
    size_t matched; /* how much of CONTENT has just been seen */
    int inside;     /* of the string that follows CONTENT */
    int digits;     /* of the stamp that is being read; -1 outside of one */
    uint64_t stamp;
} conn;

/* Durations in tenths of a microsecond. */
typedef struct {
    uint32_t *values;
    size_t n;
    size_t room;
} series;

static struct sockaddr_in server;
static char *request;
static size_t request_length;
static int poller;
static int recording;
static series latency, first_event, age;
static long long errors, connections_made, not_200;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void add(series *s, uint64_t ns) {
    uint64_t value = ns / 100;
    if (s->n == s->room) {
        s->room = s->room ? s->room * 2 : 65536;
        s->values = realloc(s->values, s->room * sizeof *s->values);
    }
    s->values[s->n++] = value > UINT32_MAX ? UINT32_MAX : value;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort(series *s) {
    if (s->n)
        qsort(s->values, s->n, sizeof *s->values, by_size);
}

static double percentile(series *s, double p) {
    return s->n ? s->values[(size_t)(p * (s->n - 1))] / 10.0 : 0;
}

static void open_conn(conn *c) {
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&server, sizeof server)) {
        perror("connect");
        exit(2);
    }
    connections_made++;
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void start(conn *c) {
    size_t sent = 0;
    c->n = 0;
    c->scanned = c->matched = c->inside = 0;
    c->digits = -1;
    c->first_seen = 0;
    c->began = now_ns();
    while (sent < request_length) {
        ssize_t k = send(c->fd, request + sent, request_length - sent, MSG_NOSIGNAL);
        if (k > 0) {
            sent += k;
            continue;
        }
        errors++;
        close(c->fd);
        open_conn(c);
        sent = 0;
    }
}

static void reopen(conn *c) {
    close(c->fd);
    open_conn(c);
    start(c);
}

static void complete(conn *c, int ok, int must_close) {
    static int shown;
    if (!ok) {
        not_200++;
        if (!shown)
            fprintf(stderr, "first bad reply: %.600s\n", c->in);
        shown = 1;
    }
    if (recording && ok)
        add(&latency, now_ns() - c->began);
    if (must_close)
        reopen(c);
    else
        start(c);
}

static void found(conn *c, uint64_t now) {
    if (recording) {
        add(&age, now > c->stamp ? now - c->stamp : 0);
        if (!c->first_seen)
            add(&first_event, now - c->began);
    }
    c->first_seen = 1;
}

static void read_letter(conn *c, char letter, uint64_t now) {
    if (letter == '"') {
        c->inside = 0;
    } else if (letter == 'T') {
        c->digits = c->stamp = 0;
    } else if (c->digits >= 0 && letter >= '0' && letter <= '9') {
        c->stamp = c->stamp * 10 + (letter - '0');
        c->digits++;
    } else {
        if (letter == ';' && c->digits > 7)
            found(c, now);
        c->digits = -1;
    }
}

/* Find the stamps "T<digits>;" in the contents, put together: a gateway may cut the text elsewhere
 * than the stub did. */
static void read_stamps(conn *c, uint64_t now) {
    for (; c->scanned < c->n; c->scanned++) {
        char byte = c->in[c->scanned];
        if (c->inside) {
            read_letter(c, byte, now);
        } else if (c->matched == sizeof CONTENT - 1) {
            c->inside = byte == '"';
            if (byte != ' ')
                c->matched = 0;
        } else if (byte == CONTENT[c->matched]) {
            c->matched++;
        } else {
            c->matched = byte == CONTENT[0];
        }
    }
}

static int ends_chunked(conn *c, size_t head) {
    if (c->n < head + 5 || memcmp(c->in + c->n - 5, "0\r\n\r\n", 5))
        return 0;
    return c->n == head + 5 || !memcmp(c->in + c->n - 7, "\r\n0\r\n\r\n", 7);
}

/* Is the reply complete? Its framing is by chunks, by length or by the end of the connection. */
static void judge(conn *c, size_t head, int at_end) {
    int ok = !memcmp(c->in + 9, "200", 3);
    c->in[head - 4] = 0; /* look for headers in the head only */
    char *sized = strcasestr(c->in, "\ncontent-length:");
    int chunked = strcasestr(c->in, "\ntransfer-encoding:") != NULL;
    int must_close = strcasestr(c->in, "\nconnection: close") != NULL;
    size_t length = sized ? strtoul(sized + 16, NULL, 10) : 0;
    c->in[head - 4] = '\r';
    if (chunked ? ends_chunked(c, head) : sized && c->n >= head + length) {
        complete(c, ok, must_close);
    } else if (at_end && !chunked && !sized) {
        complete(c, ok, 1);
    } else if (at_end) {
        errors++;
        reopen(c);
    } else if (c->n >= MAX_REPLY - 2) {
        fprintf(stderr, "reply too large\n");
        exit(3);
    }
}

static void on_read(conn *c) {
    ssize_t got = recv(c->fd, c->in + c->n, MAX_REPLY - 1 - c->n, MSG_DONTWAIT);
    if (got < 0) {
        if (errno == EAGAIN)
            return;
        errors++;
        reopen(c);
        return;
    }
    uint64_t now = now_ns();
    c->n += got;
    c->in[c->n] = 0;
    char *end = memmem(c->in, c->n, "\r\n\r\n", 4);
    if (!end) {
        if (got == 0) {
            errors += c->n > 0; /* an idle connection may be closed */
            reopen(c);
        }
        return;
    }
    size_t head = end + 4 - c->in;
    if (c->scanned < head)
        c->scanned = head;
    read_stamps(c, now);
    judge(c, head, got == 0);
}

static void print_result(int connections, double seconds) {
    sort(&latency);
    sort(&first_event);
    sort(&age);
    printf("{\"conns\":%d,\"secs\":%.3f,\"reqs\":%zu,\"rps\":%.1f,\"lat_p50\":%.1f,\"lat_p99\":%.1f,",
           connections, seconds, latency.n, latency.n / seconds, percentile(&latency, .5),
           percentile(&latency, .99));
    printf("\"chunks\":%zu,\"cps\":%.1f,\"ttft_p50\":%.1f,\"ttft_p99\":%.1f,\"age_p50\":%.1f,"
           "\"age_p99\":%.1f,",
           age.n, age.n / seconds, percentile(&first_event, .5), percentile(&first_event, .99),
           percentile(&age, .5), percentile(&age, .99));
    printf("\"non200\":%lld,\"errs\":%lld,\"conns_made\":%lld}\n", not_200, errors,
           connections_made);
}

static void make_request(char **argv, const char *header) {
    char *body = malloc(MAX_BODY);
    FILE *file = fopen(argv[6], "rb");
    if (!file) {
        perror(argv[6]);
        exit(1);
    }
    size_t n = fread(body, 1, MAX_BODY, file);
    fclose(file);
    request = malloc(n + 8192);
    request_length = snprintf(request, 8192,
                              "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                              "content-type: application/json\r\nauthorization: Bearer %s\r\n"
                              "%s%saccept: */*\r\ncontent-length: %zu\r\n\r\n",
                              argv[2], argv[7], header, *header ? "\r\n" : "", n);
    memcpy(request + request_length, body, n);
    request_length += n;
    free(body);
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS];
    if (argc < 8) {
        fprintf(stderr, "usage: loadgen PORT PATH CONNECTIONS SECONDS WARMUP BODY_FILE KEY [HEADER]\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    make_request(argv, argc > 8 ? argv[8] : "");
    poller = epoll_create1(0);
    int connections = atoi(argv[3]);
    conn *all = calloc(connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        all[i].in = malloc(MAX_REPLY);
        open_conn(&all[i]);
        start(&all[i]);
    }
    uint64_t warm = now_ns() + (uint64_t)(atof(argv[5]) * 1e9);
    uint64_t stop = warm + (uint64_t)(atof(argv[4]) * 1e9);
    uint64_t began = 0;
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, 50);
        uint64_t now = now_ns();
        if (!recording && now >= warm) {
            recording = 1;
            began = now;
            printf("{\"marker\":\"start\"}\n");
            fflush(stdout);
        }
        if (now >= stop) {
            print_result(connections, (now - began) / 1e9);
            return 0;
        }
        for (int i = 0; i < ready; i++)
            on_read(events[i].data.ptr);
    }
}
