/* The upstream of the bench: an OpenAI-style chat model that costs almost nothing.
 *
 * One thread, epoll, HTTP/1.1 keep-alive. Any POST with a JSON body is answered:
 *   without "stream":true   one fixed chat.completion, with Content-Length
 *   with "stream":true      server-sent events in chunked coding; the model's name s<N>i<M> asks
 *                           for N events, M milliseconds apart (M = 0: back to back, a write each)
 * Each event carries "T<monotonic nanoseconds>;", from which loadgen.c computes its age on arrival
 * (same machine, same clock).
 *
 * usage: stub PORT      build: cc -O2 -o stub stub.c
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
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 8192
#define MAX_REQUEST 262144
#define EVENTS 512

typedef struct {
    int fd;
    char *in; /* what came and was not answered yet */
    size_t n;
    int left;      /* events still to send */
    int gap;       /* milliseconds between them */
    uint64_t next; /* when the next one is due */
    int streaming;
} conn;

typedef struct {
    int stream;
    int events;
    int gap;
} wish;

static conn *conns[MAX_FD];
static int poller;
static int streams; /* connections that are being paced */
static char reply[2048];
static int reply_length;

static const char BODY[] =
    "{\"id\":\"chatcmpl-stub0001\",\"object\":\"chat.completion\",\"created\":1700000000,"
    "\"model\":\"stub\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
    "\"这是一个固定的回复，用于测量网关的开销。The quick brown fox jumps over the lazy dog.\"},"
    "\"logprobs\":null,\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":30,\"total_tokens\":130}}";
static const char EVENT[] =
    "data: {\"id\":\"chatcmpl-stub0001\",\"object\":\"chat.completion.chunk\","
    "\"created\":1700000000,\"model\":\"stub\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
    "\"T%llu;安全生成\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
static const char LAST_EVENT[] =
    "data: {\"id\":\"chatcmpl-stub0001\",\"object\":\"chat.completion.chunk\","
    "\"created\":1700000000,\"model\":\"stub\",\"choices\":[{\"index\":0,\"delta\":{},"
    "\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n";
static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void watch(int fd, uint32_t what) {
    struct epoll_event event = {.events = what, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void close_conn(conn *c) {
    if (c->streaming)
        streams--;
    close(c->fd);
    conns[c->fd] = NULL;
    free(c->in);
    free(c);
}

/* Send all of it; a full socket is waited for, since the reader is on this machine. */
static int send_all(conn *c, const char *bytes, size_t n) {
    while (n) {
        ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                return -1;
            usleep(50);
            continue;
        }
        bytes += sent;
        n -= sent;
    }
    return 0;
}

static int send_chunk(conn *c, const char *payload, int n) {
    char out[1024];
    int head = snprintf(out, sizeof out, "%x\r\n", n);
    memcpy(out + head, payload, n);
    memcpy(out + head + n, "\r\n", 2);
    return send_all(c, out, head + n + 2);
}

/* Send the next event of a stream, or its end. */
static int send_event(conn *c) {
    char out[512];
    if (c->left > 1) {
        int n = snprintf(out, sizeof out, EVENT, (unsigned long long)now_ns());
        c->left--;
        return send_chunk(c, out, n);
    }
    if (send_chunk(c, LAST_EVENT, sizeof LAST_EVENT - 1))
        return -1;
    if (send_chunk(c, "data: [DONE]\n\n", 14))
        return -1;
    c->left = 0;
    return send_all(c, "0\r\n\r\n", 5);
}

/* Length of the first whole request in the buffer and where its body begins; 0 if it is not whole. */
static size_t whole_request(conn *c, size_t *body) {
    c->in[c->n] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head = end + 4 - c->in;
    size_t length = 0;
    char *sized = strcasestr(c->in, "content-length:");
    char *chunked = strcasestr(c->in, "transfer-encoding:");
    if (sized && sized < end) {
        length = strtoul(sized + 15, NULL, 10);
    } else if (chunked && chunked < end) {
        char *last = strstr(end + 2, "\r\n0\r\n\r\n");
        if (!last)
            return 0;
        length = (last + 7) - (c->in + head);
    }
    *body = head;
    return c->n < head + length ? 0 : head + length;
}

static wish read_wish(char *body) {
    wish w = {.events = 100, .gap = 0};
    w.stream = strstr(body, "\"stream\":true") || strstr(body, "\"stream\": true");
    char *model = strstr(body, "\"model\"");
    if (model)
        model = strchr(model + 7, '"');
    if (model && model[1] == 's' && model[2] >= '0' && model[2] <= '9') {
        w.events = strtol(model + 2, &model, 10);
        if (*model == 'i')
            w.gap = strtol(model + 1, NULL, 10);
    }
    return w;
}

static int answer(conn *c, wish w) {
    if (!w.stream)
        return send_all(c, reply, reply_length);
    if (send_all(c, STREAM_HEAD, sizeof STREAM_HEAD - 1))
        return -1;
    c->left = w.events;
    c->gap = w.gap;
    if (w.gap == 0) {
        while (c->left)
            if (send_event(c))
                return -1;
        return 0;
    }
    c->streaming = 1;
    streams++;
    c->next = now_ns() + (uint64_t)w.gap * 1000000;
    return send_event(c);
}

/* Answer every whole request of the buffer; a paced stream makes the next one wait. */
static void handle(conn *c) {
    size_t body;
    size_t length;
    while (!c->streaming && (length = whole_request(c, &body))) {
        char kept = c->in[length];
        c->in[length] = 0;
        wish w = read_wish(c->in + body);
        c->in[length] = kept;
        memmove(c->in, c->in + length, c->n - length);
        c->n -= length;
        if (answer(c, w)) {
            close_conn(c);
            return;
        }
    }
}

static void accept_all(int listener) {
    int one = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conn *c = calloc(1, sizeof *c);
        c->fd = fd;
        c->in = malloc(MAX_REQUEST + 1);
        conns[fd] = c;
        watch(fd, EPOLLIN | EPOLLRDHUP);
    }
}

/* Send what is due on one paced stream; at its end look whether a request waits behind it. */
static void pace(conn *c, uint64_t now) {
    while (c->streaming && c->next <= now) {
        if (send_event(c)) {
            close_conn(c);
            return;
        }
        c->next += (uint64_t)c->gap * 1000000;
        if (!c->left) {
            c->streaming = 0;
            streams--;
        }
    }
    if (!c->streaming && c->n)
        handle(c);
}

static void tick(int timer) {
    uint64_t ticks;
    if (read(timer, &ticks, sizeof ticks) < 0)
        return;
    uint64_t now = now_ns();
    for (int fd = 0; fd < MAX_FD; fd++)
        if (conns[fd] && conns[fd]->streaming)
            pace(conns[fd], now);
}

static void receive(conn *c) {
    ssize_t got = recv(c->fd, c->in + c->n, MAX_REQUEST - c->n, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        close_conn(c);
        return;
    }
    c->n += got;
    handle(c);
}

static int listen_on(int port) {
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&address, sizeof address) || listen(fd, 1024)) {
        perror("bind");
        exit(1);
    }
    return fd;
}

/* The timer ticks each millisecond; it is only watched while a stream is paced. */
static int make_timer(void) {
    struct itimerspec each = {{0, 1000000}, {0, 1000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(fd, 0, &each, NULL);
    return fd;
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS];
    int watching = 0;
    signal(SIGPIPE, SIG_IGN);
    reply_length = snprintf(reply, sizeof reply,
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                            "content-length: %zu\r\n\r\n%s",
                            sizeof BODY - 1, BODY);
    poller = epoll_create1(0);
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 9100);
    int timer = make_timer();
    watch(listener, EPOLLIN);
    for (;;) {
        if (streams && !watching)
            watch(timer, EPOLLIN);
        else if (!streams && watching)
            epoll_ctl(poller, EPOLL_CTL_DEL, timer, NULL);
        watching = streams > 0;
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(listener);
            else if (fd == timer)
                tick(timer);
            else if (conns[fd])
                receive(conns[fd]);
        }
    }
}
