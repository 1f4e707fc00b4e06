/* SPDX-License-Identifier: MIT */
#include "hvnetctl/hvnetctl.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX (64u << 20)	/* our policy: more than any daemon's objects need */

struct hvnet_client {
	int fd;			/* owned */
	char *path;		/* owned */
	json_int_t last_id;
	char *in;		/* owned; what came and was not read as a line yet */
	size_t in_used, in_capacity;
	json_t *events;		/* owned array; came while a reply was waited for */
	int fds[HVNET_FDS_MAX];	/* owned; came and were not taken yet */
	unsigned num_fds;
};

static int fail(struct hvnet_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct hvnet_error *err, int code, const char *format, ...)
{
	va_list ap;

	err->code = code;
	va_start(ap, format);
	vsnprintf(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	return -1;
}

const char *hvnet_socket_path(const char *path)
{
	const char *env = getenv("HVNET_SOCKET");

	if (path && *path)
		return path;
	return env && *env ? env : HVNET_DEFAULT_SOCKET;
}

static void explain_connect(struct hvnet_error *err, const char *path, int error)
{
	if (error == ENOENT || error == ECONNREFUSED)
		fail(err, 0, "hvnetd does not run: nothing answers on %s; start it, or name its socket with "
		     "--socket or HVNET_SOCKET", path);
	else if (error == EAGAIN)
		fail(err, 0, "hvnetd on %s accepts no connection within %d s; is it stopped in a debugger, or busy?",
		     path, HVNET_CALL_TIMEOUT_MS / 1000);
	else if (error == EACCES)
		fail(err, 0, "you may not connect to hvnetd on %s: %s", path, strerror(error));
	else
		fail(err, 0, "cannot connect to hvnetd on %s: %s", path, strerror(error));
}

int hvnet_connect(const char *path, struct hvnet_client **out, struct hvnet_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = HVNET_CALL_TIMEOUT_MS / 1000 };
	struct hvnet_client *c;
	int ret;

	path = hvnet_socket_path(path);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		fail(err, 0, "the control socket's path is longer than %zu bytes: %s", sizeof(addr.sun_path) - 1, path);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	c = calloc(1, sizeof(*c));
	if (c) {
		c->path = strdup(path);
		c->events = json_array();
	}
	if (!c || !c->path || !c->events) {
		if (c) {
			json_decref(c->events);
			free(c->path);
		}
		free(c);
		fail(err, 0, "out of memory");
		return -ENOMEM;
	}
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* A daemon that is stuck accepts nobody, and connect(2) waits for room in its queue. */
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(c->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = -errno;
		explain_connect(err, path, errno);
		hvnet_disconnect(c);
		return ret;
	}
	*out = c;
	return 0;
}

void hvnet_disconnect(struct hvnet_client *client)
{
	if (!client)
		return;
	for (unsigned i = 0; i < client->num_fds; i++)
		close(client->fds[i]);
	if (client->fd >= 0)
		close(client->fd);
	json_decref(client->events);
	free(client->path);
	free(client->in);
	free(client);
}

int hvnet_client_fd(const struct hvnet_client *client)
{
	return client->fd;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

static int wait_for(struct hvnet_client *c, short events, long long deadline, struct hvnet_error *err)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	long long left;
	int n;

	do {
		left = deadline - now_ms();
		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return 0;
	return fail(err, 0, "hvnetd on %s does not answer within %d s; is it stopped in a debugger, or busy?", c->path,
		    HVNET_CALL_TIMEOUT_MS / 1000);
}

static int send_all(struct hvnet_client *c, const char *p, size_t n, long long deadline, struct hvnet_error *err)
{
	while (n) {
		ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return fail(err, 0, "hvnetd on %s broke off: %s", c->path, strerror(errno));
		if (sent < 0 && wait_for(c, POLLOUT, deadline, err))
			return -1;
		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		}
	}
	return 0;
}

unsigned hvnet_take_fds(struct hvnet_client *client, int *fds, unsigned max)
{
	unsigned n = client->num_fds < max ? client->num_fds : max;

	memcpy(fds, client->fds, n * sizeof(*fds));
	client->num_fds -= n;
	memmove(client->fds, client->fds + n, client->num_fds * sizeof(*fds));
	return n;
}

/* recv(2), and the descriptors that come with it; those for which there is no room are closed. */
static ssize_t receive(struct hvnet_client *c, void *to, size_t bytes)
{
	union {
		char bytes[CMSG_SPACE(sizeof(c->fds))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { to, bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	for (; head; head = CMSG_NXTHDR(&msg, head)) {
		size_t num = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		for (size_t i = 0; head->cmsg_type == SCM_RIGHTS && i < num; i++) {
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
			if (c->num_fds == HVNET_FDS_MAX)
				close(fd);
			else
				c->fds[c->num_fds++] = fd;
		}
	}
	return n;
}

static int read_more(struct hvnet_client *c, long long deadline, struct hvnet_error *err)
{
	ssize_t n;
	char *p;

	if (c->in_used == c->in_capacity) {
		size_t capacity = c->in_capacity ? c->in_capacity * 2 : 16384;

		p = capacity <= REPLY_MAX ? realloc(c->in, capacity) : NULL;
		if (!p)
			return fail(err, 0, "hvnetd's reply is too long");
		c->in = p;
		c->in_capacity = capacity;
	}
	if (wait_for(c, POLLIN, deadline, err))
		return -1;
	n = receive(c, c->in + c->in_used, c->in_capacity - c->in_used);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return fail(err, 0, "hvnetd on %s broke off: %s", c->path, n ? strerror(errno) : "it closed the connection");
	c->in_used += (size_t)n;
	return 0;
}

/* A line that came whole, without its newline; NULL: none yet, or (with err filled) no memory. To be freed. */
static char *take_line(struct hvnet_client *c, struct hvnet_error *err)
{
	char *end = c->in_used ? memchr(c->in, '\n', c->in_used) : NULL, *line;
	size_t n;

	err->message[0] = '\0';
	if (!end)
		return NULL;
	n = (size_t)(end - c->in);
	line = strndup(c->in, n);
	memmove(c->in, end + 1, c->in_used - n - 1);
	c->in_used -= n + 1;
	if (!line)
		fail(err, 0, "out of memory");
	return line;
}

static char *read_line(struct hvnet_client *c, long long deadline, struct hvnet_error *err)
{
	char *line;

	while (!(line = take_line(c, err)) && !err->message[0])
		if (read_more(c, deadline, err))
			return NULL;
	return line;
}

char *hvnet_raw_call(struct hvnet_client *c, const char *bytes, size_t n, struct hvnet_error *err)
{
	long long deadline = now_ms() + HVNET_CALL_TIMEOUT_MS;

	if (send_all(c, bytes, n, deadline, err))
		return NULL;
	return read_line(c, deadline, err);
}

static bool is_event(const json_t *message)
{
	return json_object_get(message, "method") && !json_object_get(message, "id");
}

/* Reads what is there. 1: something was; 0: the time has passed or a signal came; -1 with err filled. */
static int read_soon(struct hvnet_client *c, int timeout_ms, struct hvnet_error *err)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int n = poll(&p, 1, timeout_ms);

	err->message[0] = '\0';
	if (n <= 0)
		return 0;
	return read_more(c, now_ms() + HVNET_CALL_TIMEOUT_MS, err) ? -1 : 1;
}

json_t *hvnet_event(struct hvnet_client *c, int timeout_ms, struct hvnet_error *err)
{
	long long deadline = now_ms() + timeout_ms;
	json_t *event = json_array_get(c->events, 0);
	char *line;

	err->code = 0;
	if (event) {
		json_incref(event);
		json_array_remove(c->events, 0);
		return event;
	}
	while (!(line = take_line(c, err))) {
		long long left = deadline - now_ms();

		if (err->message[0] || read_soon(c, timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0, err) <= 0)
			return NULL;
	}
	event = json_loads(line, 0, NULL);
	if (!is_event(event)) {
		fail(err, 0, "what answered is no hvnetd: %.100s", line);
		json_decref(event);
		event = NULL;
	}
	free(line);
	return event;
}

/* The result of a reply, or NULL with the error that it carries. line: as it came. */
static json_t *read_reply(const json_t *reply, const char *line, json_int_t id, struct hvnet_error *err)
{
	json_t *result = json_object_get(reply, "result"), *error = json_object_get(reply, "error");
	const char *call;

	if (json_integer_value(json_object_get(reply, "id")) == id && result)
		return json_incref(result);
	call = json_string_value(json_object_get(json_object_get(error, "data"), "call"));
	err->call = call ? atoi(call) : -1;
	if (json_is_object(error) && json_is_string(json_object_get(error, "message")))
		fail(err, (int)json_integer_value(json_object_get(error, "code")), "%s",
		     json_string_value(json_object_get(error, "message")));
	else
		fail(err, 0, "what answered is no hvnetd: %.100s", line);
	return NULL;
}

static json_t *wait_for_reply(struct hvnet_client *c, struct hvnet_error *err)
{
	long long deadline = now_ms() + HVNET_CALL_TIMEOUT_MS;
	json_t *message, *result;
	char *line;

	for (;;) {
		line = read_line(c, deadline, err);
		if (!line)
			return NULL;
		message = json_loads(line, 0, NULL);
		if (!is_event(message))
			break;
		free(line);
		if (json_array_size(c->events) == HVNET_EVENTS_MAX || json_array_append_new(c->events, message)) {
			fail(err, 0, "hvnetd on %s tells of more events than it answers requests", c->path);
			return NULL;
		}
	}
	result = read_reply(message, line, c->last_id, err);
	json_decref(message);
	free(line);
	return result;
}

/* Who is turned away is told why before it has said anything; then nobody takes what it has to say. */
static void explain_refusal(struct hvnet_client *c, struct hvnet_error *err)
{
	struct hvnet_error other = { 0 };
	char *line = read_line(c, now_ms(), &other);
	json_t *reply = line ? json_loads(line, 0, NULL) : NULL;

	if (json_is_object(json_object_get(reply, "error")))
		json_decref(read_reply(reply, line, c->last_id, err));
	json_decref(reply);
	free(line);
}

json_t *hvnet_call(struct hvnet_client *c, const char *method, json_t *params, struct hvnet_error *err)
{
	json_t *request = json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", ++c->last_id, "method", method);
	char *text;
	size_t n;
	int ret;

	if (params)
		json_object_set_new(request, "params", params);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text) {
		fail(err, 0, "a parameter of %s is not UTF-8, or memory is short", method);
		return NULL;
	}
	n = strlen(text);
	text[n] = '\n';		/* in place of its NUL: from here on it is bytes */
	ret = send_all(c, text, n + 1, now_ms() + HVNET_CALL_TIMEOUT_MS, err);
	free(text);
	if (!ret)
		return wait_for_reply(c, err);
	explain_refusal(c, err);
	return NULL;
}
