/* SPDX-License-Identifier: MIT */
/*
 * An extension in a process of its own, seen from the switch: an ordinary extension that holds each
 * frame, puts a copy into a ring and waits for a verdict, for a bounded time (extension_remote_frames.c).
 * Whether ports and NICs may be created it is asked before that (extension_remote_ask.c).
 *
 *	LISTENING --connects--> GREETED --says hello--> ATTACHED --leaves, breaks the rules, does not read--> LISTENING
 *
 * Without a program, and for what it does not judge or answer in time, the policy decides: open lets
 * it go on, closed drops frames and refuses creations. Of what the program writes, remote_ring.c,
 * judge() and remote_take_answer() believe nothing.
 */
#include <errno.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vswitch/extension_remote.h"

enum {
	DEFAULT_WAIT_MS = 20,		/* as the header says */
	MAX_WAIT_MS = 10000,
	DEFAULT_ANSWER_MS = 1000,
	DEFAULT_WAIT_FRAMES = 512,
	MAX_WAIT_FRAMES = 4096,
};

static int listen_at(struct vswitch_remote *r)
{
	const struct sockaddr *address = (const struct sockaddr *)&r->address;
	struct stat st;
	int fd, ret = 0;

	/* What an earlier run has left. */
	if (!lstat(r->address.sun_path, &st) && S_ISSOCK(st.st_mode))
		unlink(r->address.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, address, sizeof(r->address)) || chmod(r->address.sun_path, 0660) || listen(fd, 4))
		ret = -errno;
	if (!ret)
		ret = hv_watch_start(r->loop, &r->listener, fd, POLLIN);
	if (ret)
		close(fd);
	return ret;
}

static int put_on_stack(struct vswitch_remote *r, struct vswitch *sw)
{
	const struct vswitch_extension_config config = {
		.name = r->name,
		.limits = { .held_frames = r->config.wait_frames + VSWITCH_BATCH },
	};
	int ret;

	r->module = (struct vswitch_ext_module){
		.abi = VSWITCH_EXT_ABI,
		.size = sizeof(r->module),
		.ops_size = sizeof(remote_ops),
		.class = r->config.class,
		.name = "remote",
		.ops = &remote_ops,
		.capture = r->config.class == VSWITCH_EXT_CAPTURE ? &remote_capture_ops : NULL,
		.filter = r->config.class == VSWITCH_EXT_FILTER ? &remote_filter_ops : NULL,
		.forward = r->config.class == VSWITCH_EXT_FORWARD ? &remote_forward_ops : NULL,
	};
	ret = vswitch_extension_attach(sw, &r->module, &config, &r->e);
	if (!ret) {
		r->e->instance = r;
		r->e->remote = true;
	}
	return ret;
}

static int take_config(struct vswitch_remote *r, const struct vswitch_remote_config *c)
{
	const char *text = c->config ? c->config : "";

	r->config = *c;
	r->config.wait_ms = c->wait_ms ? c->wait_ms : DEFAULT_WAIT_MS;
	r->config.wait_frames = c->wait_frames ? c->wait_frames : DEFAULT_WAIT_FRAMES;
	r->config.answer_ms = c->answer_ms ? c->answer_ms : DEFAULT_ANSWER_MS;
	if (r->config.wait_ms > MAX_WAIT_MS || r->config.answer_ms > MAX_WAIT_MS || r->config.wait_frames > MAX_WAIT_FRAMES ||
	    strlen(c->name) >= sizeof(r->name) || strlen(c->socket) >= sizeof(r->address.sun_path) ||
	    strlen(text) >= sizeof(r->text))
		return -EINVAL;
	strcpy(r->name, c->name);
	strcpy(r->text, text);
	r->address.sun_family = AF_UNIX;
	strcpy(r->address.sun_path, c->socket);
	r->waiting = calloc(r->config.wait_frames, sizeof(*r->waiting));
	if (!r->waiting)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->config.wait_frames; i++)
		TAILQ_INSERT_TAIL(&r->free, &r->waiting[i], link);
	return 0;
}

int vswitch_remote_create(struct vswitch *sw, struct hv_loop *loop, const struct vswitch_remote_config *config,
			  struct vswitch_remote **out)
{
	struct vswitch_remote *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->listener = (struct hv_watch){ .ready = remote_connected, .fd = -1 };
	r->control = (struct hv_watch){ .ready = remote_said, .fd = -1 };
	r->doorbell = (struct hv_watch){ .ready = remote_rang, .fd = -1 };
	r->wake_fd = -1;
	TAILQ_INIT(&r->queue);
	TAILQ_INIT(&r->free);
	TAILQ_INIT(&r->questions);
	r->ask_timer.fire = remote_ask_timer;
	ret = take_config(r, config);
	if (!ret)
		ret = put_on_stack(r, sw);
	if (!ret)
		ret = listen_at(r);
	if (ret)
		vswitch_remote_destroy(r);
	else
		*out = r;
	return ret;
}

void vswitch_remote_destroy(struct vswitch_remote *remote)
{
	if (!remote)
		return;
	if (remote->listener.fd >= 0)
		unlink(remote->address.sun_path);
	remote_stop_watch(&remote->listener);
	if (remote->e) {
		EXTENSION_CALL(remote->e, remote_part(remote, "the extension goes"));
		remote_forget_all(remote);
		vswitch_extension_detach(remote->e);
	}
	free(remote->waiting);
	free(remote->backlog);
	free(remote);
}

struct vswitch_extension *vswitch_remote_extension(struct vswitch_remote *remote)
{
	return remote->e;
}

void vswitch_remote_stats(const struct vswitch_remote *remote, struct vswitch_remote_stats *out)
{
	*out = remote->stats;
}
