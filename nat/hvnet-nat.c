/* SPDX-License-Identifier: MIT */
/*
 * hvnet-nat: the process behind the NAT uplink of a switch. Ends with status 0 when the switch
 * closes the socket, 1 after an error, 2 after a bad option.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "nat/nat.h"

/* Each connection of a guest is a descriptor here. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int fail(const char *what, int ret)
{
	hv_log(HV_LOG_ERROR, "nat: %s: %s", what, strerror(-ret));
	return 1;
}

static int run(struct nat_options *o)
{
	struct nat_stream *stream;
	struct nat_net *net = NULL;
	int ret;

	ret = nat_stream_create(o->fd, &stream);
	if (ret)
		return fail("the descriptor given by --fd", ret);
	ret = nat_net_create(o, stream, &net);
	if (!ret && o->sandbox) {
		ret = nat_filter_system_calls();
		if (ret == -ENOTSUP)
			ret = 0;
	}
	if (!ret)
		ret = nat_net_run(net);
	nat_net_destroy(net);
	nat_stream_destroy(stream);
	return ret == -ECONNRESET || ret == -EPIPE ? 0 : fail("ended", ret);
}

int main(int argc, char **argv)
{
	struct nat_options o;
	int ret;

	switch (nat_options_parse(&o, argc, argv)) {
	case NAT_HELP:
		nat_usage();
		return 0;
	case NAT_BAD:
		return 2;
	case NAT_RUN:
		break;
	}
	signal(SIGPIPE, SIG_IGN);
	ret = nat_close_others(o.fd, &o.fd);
	if (ret)
		return fail("the descriptor given by --fd", ret);
	raise_descriptor_limit();
	ret = nat_drop_privileges();
	if (ret)
		return fail("dropping privileges", ret);
	return run(&o);
}
