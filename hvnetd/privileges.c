/* SPDX-License-Identifier: MIT */
#include "hvnetd/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void raise_descriptor_limit(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int drop_privileges(bool taps, bool uplinks)
{
	bool have_admin = false, have_raw = false;
	capng_select_t what = CAPNG_SELECT_CAPS;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* Children get nothing by way of the ambient set; kernels without it have nothing to clear. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (capng_get_caps_process())
		return -EIO;
	have_admin = (taps || uplinks) && capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN);
	have_raw = uplinks && capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
	/* The bounding set can be lowered only with the right to; without it there is nothing to lose in it. */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		what = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_BOTH);
	if (have_admin && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN))
		return -EIO;
	if (have_raw && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW))
		return -EIO;
	return capng_apply(what) ? -EPERM : 0;
}
