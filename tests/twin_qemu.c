/* SPDX-License-Identifier: MIT */
/*
 * QEMU's e1000 as a twin: a QEMU without a processor (accel=qtest), whose memory is a memfd that we map, whose NIC's wire is a
 * socket pair, and whose registers are reached by qtest's line protocol over another one.
 *
 * QEMU handles the qtest socket and the wire in one thread: an answer to a command means that all that was read from the
 * wire before has been delivered, and that what the NIC sent is in the socket.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "hvnet-qemu/find.h"
#include "tests/twin.h"
#include "vswitch/stream.h"

enum {
	ANSWER_MS = 30000,		/* our policy: a QEMU that does not answer for longer is stuck */
	PCI_SLOT = 4,
	PCI_COMMAND = 4, PCI_STATUS = 6, PCI_BAR0 = 0x10,
	PCI_COMMAND_ALL = 7, PCI_STATUS_INTERRUPT = 8,
	SOCKET_BYTES = 4 << 20,
	IN_BYTES = 1 << 20,
};

#define BAR_ADDRESS 0xe0000000u		/* in the hole below 4 GiB */

/* A socket that answers line by line. */
struct channel {
	int fd;				/* owned */
	char line[1024];		/* received, not used */
	size_t bytes;
};

struct qemu {
	struct twin twin;
	pid_t pid;
	struct channel qtest, monitor;
	int net, memory;		/* owned */
	size_t in_bytes;
	uint8_t in[IN_BYTES];
};

static struct qemu *qemu_of(struct twin *t)
{
	return (struct qemu *)t;	/* its first member */
}

static bool died(struct qemu *q)
{
	q->twin.dead = true;
	return false;
}

static bool send_all(int fd, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* The next line of what it says. */
static bool read_line(struct qemu *q, struct channel *ch, char *out, size_t room)
{
	struct pollfd p = { .fd = ch->fd, .events = POLLIN };

	for (;;) {
		char *end = memchr(ch->line, '\n', ch->bytes);
		ssize_t n;

		if (end) {
			size_t len = (size_t)(end - ch->line);

			snprintf(out, room, "%.*s", (int)len, ch->line);
			ch->bytes -= len + 1;
			memmove(ch->line, end + 1, ch->bytes);
			return true;
		}
		if (ch->bytes == sizeof(ch->line) || poll(&p, 1, ANSWER_MS) != 1)
			return died(q);
		n = read(ch->fd, ch->line + ch->bytes, sizeof(ch->line) - ch->bytes);
		if (n <= 0)
			return died(q);
		ch->bytes += (size_t)n;
	}
}

/* A command to the monitor (QMP). */
static void manage(struct qemu *q, const char *json)
{
	char answer[1024];

	if (q->twin.dead || (!send_all(q->monitor.fd, json, strlen(json)) && !died(q)))
		return;
	do
		if (!read_line(q, &q->monitor, answer, sizeof(answer)))
			return;
	while (!strstr(answer, "\"return\"") && !strstr(answer, "\"error\""));
	if (strstr(answer, "\"error\""))
		died(q);
}

/* A command and its answer's number. */
static uint64_t command(struct qemu *q, const char *text)
{
	char answer[256];

	if (q->twin.dead || (!send_all(q->qtest.fd, text, strlen(text)) && !died(q)))
		return 0;
	do
		if (!read_line(q, &q->qtest, answer, sizeof(answer)))
			return 0;
	while (!strncmp(answer, "IRQ ", 4));
	if (strncmp(answer, "OK", 2) != 0)
		died(q);
	return answer[2] ? strtoull(answer + 3, NULL, 0) : 0;
}

static uint32_t config(struct qemu *q, const char *in_or_out, uint32_t offset, uint32_t value)
{
	char text[64];

	snprintf(text, sizeof(text), "outl 0xcf8 0x%x\n", 0x80000000u | PCI_SLOT << 11 | (offset & 0xfc));
	command(q, text);
	if (in_or_out[0] == 'i')
		snprintf(text, sizeof(text), "%s 0x%x\n", in_or_out, 0xcfc + (offset & 3));
	else
		snprintf(text, sizeof(text), "%s 0x%x 0x%x\n", in_or_out, 0xcfc + (offset & 3), value);
	return (uint32_t)command(q, text);
}

/* Frames that the NIC has sent. */
static void collect(struct qemu *q)
{
	const uint8_t *frame;
	size_t off = 0;
	uint32_t len;
	ssize_t n;

	while ((n = recv(q->net, q->in + q->in_bytes, sizeof(q->in) - q->in_bytes, MSG_DONTWAIT)) > 0) {
		q->in_bytes += (size_t)n;
		off = 0;
		while (stream_next(q->in, q->in_bytes, 0x20000, &off, &frame, &len) == STREAM_FRAME)
			twin_wire_add(&q->twin.wire, frame, len);
		q->in_bytes -= off;
		memmove(q->in, q->in + off, q->in_bytes);
	}
	if (n == 0)
		died(q);
}

static uint32_t qemu_read(struct twin *t, uint32_t offset)
{
	char text[64];

	snprintf(text, sizeof(text), "readl 0x%x\n", BAR_ADDRESS + offset);
	return (uint32_t)command(qemu_of(t), text);
}

static void qemu_write(struct twin *t, uint32_t offset, uint32_t value)
{
	char text[64];

	snprintf(text, sizeof(text), "writel 0x%x 0x%x\n", BAR_ADDRESS + offset, value);
	command(qemu_of(t), text);
}

static void qemu_send(struct twin *t, const uint8_t *frame, uint32_t len)
{
	uint8_t prefix[STREAM_PREFIX_BYTES] = { 0, 0, (uint8_t)(len >> 8), (uint8_t)len };

	if (!send_all(qemu_of(t)->net, prefix, sizeof(prefix)) || !send_all(qemu_of(t)->net, frame, len))
		t->dead = true;
}

/* QEMU stops to read its wire while the NIC has no descriptors: what is left there is no reason to wait for ever. */
static void qemu_settle(struct twin *t)
{
	struct qemu *q = qemu_of(t);
	int left = 1;

	for (int i = 0; i < 20000 && left && !t->dead; i++) {
		if (ioctl(q->net, SIOCOUTQ, &left))
			left = 0;
		if (left)
			usleep(i < 100 ? 0 : 50);
	}
	qemu_read(t, 0x8);
	collect(q);
}

static void qemu_step(struct twin *t, uint64_t ns)
{
	char text[64];

	snprintf(text, sizeof(text), "clock_step %llu\n", (unsigned long long)ns);
	command(qemu_of(t), text);
}

static bool qemu_irq(struct twin *t)
{
	return config(qemu_of(t), "inw", PCI_STATUS, 0) & PCI_STATUS_INTERRUPT;
}

/* Decoding and bus mastering on, as a driver does it. */
static void enable(struct qemu *q)
{
	config(q, "outl", PCI_BAR0, BAR_ADDRESS);
	config(q, "outw", PCI_COMMAND, PCI_COMMAND_ALL);
}

static void qemu_link(struct twin *t, bool up)
{
	manage(qemu_of(t), up ? "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"net\",\"up\":true}}" :
			   "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"net\",\"up\":false}}");
}

/* By the chip set's register. The reset is done before QEMU takes its next command. */
static void qemu_reset(struct twin *t)
{
	command(qemu_of(t), "outb 0xcf9 0x2\n");
	command(qemu_of(t), "outb 0xcf9 0x6\n");
	enable(qemu_of(t));
}

static void qemu_destroy(struct twin *t)
{
	struct qemu *q = qemu_of(t);

	if (q->pid > 0) {
		kill(q->pid, SIGKILL);
		while (waitpid(q->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (q->qtest.fd >= 0)
		close(q->qtest.fd);
	if (q->monitor.fd >= 0)
		close(q->monitor.fd);
	if (q->net >= 0)
		close(q->net);
	if (q->memory >= 0)
		close(q->memory);
	if (t->ram)
		munmap(t->ram, TWIN_RAM_BYTES);
	free(q);
}

static const struct twin_ops qemu_ops = {
	.read = qemu_read, .write = qemu_write, .send = qemu_send, .step = qemu_step, .settle = qemu_settle,
	.irq = qemu_irq, .link = qemu_link, .reset = qemu_reset, .destroy = qemu_destroy,
};

static const char *const devices[E1000_MODELS] = {
	[E1000_82540EM] = "e1000", [E1000_82545EM] = "e1000-82545em", [E1000_82544GC] = "e1000-82544gc",
};

/* Our ends are close-on-exec; these are the other ones. */
struct inherited {
	int qtest, monitor, net, memory;
};

static void exec_qemu(const char *path, pid_t parent, enum e1000_model model, const struct inherited *fd)
{
	char ram[128], qtest[64], monitor[64], netdev[96], device[96];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	snprintf(ram, sizeof(ram), "memory-backend-file,id=ram,size=%d,mem-path=/proc/self/fd/%d,share=on", TWIN_RAM_BYTES,
		 dup(fd->memory));
	snprintf(qtest, sizeof(qtest), "socket,id=qtest,fd=%d", dup(fd->qtest));
	snprintf(monitor, sizeof(monitor), "socket,id=monitor,fd=%d", dup(fd->monitor));
	snprintf(netdev, sizeof(netdev), "socket,id=net,fd=%d", dup(fd->net));
	snprintf(device, sizeof(device), "%s,netdev=net,mac=%02x:%02x:%02x:%02x:%02x:%02x,romfile=,addr=%d", devices[model],
		 twin_mac[0], twin_mac[1], twin_mac[2], twin_mac[3], twin_mac[4], twin_mac[5], PCI_SLOT);
	execl(path, path, "-M", "pc,accel=qtest,memory-backend=ram", "-m", "64", "-object", ram, "-nodefaults", "-display",
	      "none", "-chardev", qtest, "-qtest", "chardev:qtest", "-qtest-log", "none", "-chardev", monitor, "-qmp",
	      "chardev:monitor", "-netdev", netdev, "-device", device, (char *)NULL);
	_exit(127);
}

static bool make_pair(int *ours, int *theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return false;
	*ours = pair[0];
	*theirs = pair[1];
	return true;
}

static int spawn(struct qemu *q, const char *path, enum e1000_model model)
{
	struct inherited theirs = { -1, -1, -1, q->memory };
	const int bytes = SOCKET_BYTES, *const theirs_fd[] = { &theirs.qtest, &theirs.monitor, &theirs.net };
	const bool made = make_pair(&q->qtest.fd, &theirs.qtest) && make_pair(&q->monitor.fd, &theirs.monitor) &&
			  make_pair(&q->net, &theirs.net);
	pid_t parent = getpid();

	if (made) {
		setsockopt(q->net, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		setsockopt(theirs.net, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		q->pid = fork();
		if (!q->pid)
			exec_qemu(path, parent, model, &theirs);
	}
	for (unsigned i = 0; i < 3; i++)
		if (*theirs_fd[i] >= 0)
			close(*theirs_fd[i]);
	return !made || q->pid < 0 ? -1 : 0;
}

struct twin *twin_qemu_create(enum e1000_model model, const char *why[1])
{
	static char error[1536];
	static char *path;
	struct qemu *q;

	if (!path)
		path = qemu_find(NULL, error, sizeof(error));
	*why = error;
	if (!path)
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->twin = (struct twin){ .ops = &qemu_ops, .name = "QEMU", .has_rules = true };
	q->qtest.fd = q->monitor.fd = q->net = -1;
	q->memory = memfd_create("twin", MFD_CLOEXEC);
	if (q->memory >= 0 && !ftruncate(q->memory, TWIN_RAM_BYTES)) {
		void *p = mmap(NULL, TWIN_RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, q->memory, 0);

		q->twin.ram = p == MAP_FAILED ? NULL : p;
	}
	if (!q->twin.ram || spawn(q, path, model)) {
		qemu_destroy(&q->twin);
		*why = "cannot start QEMU";
		return NULL;
	}
	enable(q);
	manage(q, "{\"execute\":\"qmp_capabilities\"}");
	if (q->twin.dead) {
		qemu_destroy(&q->twin);
		*why = "QEMU ended at once, or does not speak qtest";
		return NULL;
	}
	return &q->twin;
}
