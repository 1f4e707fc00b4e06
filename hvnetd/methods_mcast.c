/* SPDX-License-Identifier: MIT */
/* What a switch that snoops knows of multicast. */
#include <arpa/inet.h>

#include "hvnetd/hvnetd.h"
#include "hvnetd/methods.h"
#include "hvnetd/view.h"
#include "vswitch/vswitch.h"

static void put_address(json_t *row, const char *member, uint8_t version, const uint8_t *bytes)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(version == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	json_object_set_new(row, member, json_string(text));
}

static json_t *show_entry(const struct vswitch_snoop_entry *e)
{
	const char *kind = e->is_querier ? "querier" : e->is_router ? "router" : "listener";
	json_t *row = json_pack("{s:i, s:s, s:s, s:i}", "vlan", (int)e->vlan, "port", vswitch_port_name(e->port), "kind", kind,
				"version", (int)e->version);

	if (!e->is_router)
		put_address(row, "group", e->version, e->group);
	if (e->is_querier)
		put_address(row, "address", e->version, e->address);
	if (e->left_s != UINT32_MAX)
		json_object_set_new(row, "left_s", json_integer(e->left_s));
	return row;
}

static void add_entry(void *cookie, const struct vswitch_snoop_entry *e)
{
	struct page *page = cookie;

	if (page_has(page))
		page_add(page, show_entry(e));
}

json_t *method_mcast_list(struct rpc_call *call)
{
	const struct object *o = switch_param(call);
	struct page page;

	if (!o)
		return NULL;
	page = page_of(call);
	if (switch_of(o))
		vswitch_snoop_visit(switch_of(o), add_entry, &page);
	return page_end(&page, "entries");
}
