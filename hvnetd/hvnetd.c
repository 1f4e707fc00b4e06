/* SPDX-License-Identifier: MIT */
/* The program: command line, privileges, signals, the service manager. */
#include "hvnetd/hvnetd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "hvnetd/privileges.h"

static struct hvnetd daemon_state;

static void signal_ready(struct hv_watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) != sizeof(info))
		return;
	hv_log(HV_LOG_INFO, "hvnetd: %s, stopping", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	sd_notify(0, "STOPPING=1");
	hv_loop_stop(w->loop);
}

/* Ends of children come by their pidfds; a broken pipe by the write's error. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct hvnetd *d, int signals)
{
	struct hv_watch watch = { .ready = signal_ready };
	int ret = hv_watch_start(d->worker.loop, &watch, signals, POLLIN);

	if (ret)
		return ret;
	hv_log(HV_LOG_NOTICE, "hvnetd %s: ready on %s", HVNETD_VERSION, d->options->socket);
	sd_notifyf(0, "READY=1\nSTATUS=Serving %s", d->options->socket);
	ret = hv_loop_run(d->worker.loop);
	hv_watch_stop(&watch);
	return ret;
}

static int usage(const char *error)
{
	fprintf(stderr, "hvnetd: %s\nTry 'hvnetd --help'.\n", error);
	return HVNETD_EXIT_USAGE;
}

/* Descriptors 0 to 2 must not become a socket that a stray message goes to. */
static void open_standard_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) < 0)
			_exit(HVNETD_EXIT_FAILED);
}

static int print_api(enum options_action action)
{
	if (action == OPTIONS_PRINT_API) {
		printf(".TH HVNETD-API 7 \"\" \"hvnet " HVNETD_VERSION "\" \"hvnet manual\"\n.SH NAME\n"
		       "hvnetd-api \\- methods and events of hvnetd(8)'s control socket\n");
		api_print_manual();
	} else {
		json_t *schema = api_schema();

		json_dumpf(schema, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(schema);
	}
	return fflush(stdout) || ferror(stdout) ? HVNETD_EXIT_FAILED : HVNETD_EXIT_OK;
}

int main(int argc, char **argv)
{
	static struct options options;
	struct rpc_error err = { 0 };
	enum hvnetd_exit status;
	char error[512];
	int signals;

	open_standard_streams();
	if (!options_parse(argc, argv, &options, error, sizeof(error)))
		return usage(error);
	if (options.action == OPTIONS_HELP) {
		options_print_help();
		return HVNETD_EXIT_OK;
	}
	if (options.action == OPTIONS_VERSION) {
		printf("hvnetd %s\n", HVNETD_VERSION);
		return HVNETD_EXIT_OK;
	}
	if (options.action == OPTIONS_PRINT_SCHEMA || options.action == OPTIONS_PRINT_API)
		return print_api(options.action);
	hv_log_set_level(options.log_level);
	umask(0022);
	raise_descriptor_limit();
	signals = open_signals();
	if (signals < 0 || drop_privileges(options.allow_tap, options.allow_uplinks)) {
		fprintf(stderr, "hvnetd: cannot set up signals, or give up privileges: %s\n", strerror(errno));
		return HVNETD_EXIT_FAILED;
	}
	status = hvnetd_start(&daemon_state, &options, &err);
	if (status)
		hv_log(HV_LOG_ERROR, "hvnetd: %s", err.message);
	else if (options.action == OPTIONS_CHECK)
		printf("hvnetd: options and surroundings are fine\n");
	else if (options.action == OPTIONS_CHECK_FILE)
		printf("hvnetd: %s is fine\n", options.check_file);
	else if (run(&daemon_state, signals))
		status = HVNETD_EXIT_FAILED;
	hvnetd_stop(&daemon_state);
	close(signals);
	return (int)status;
}
