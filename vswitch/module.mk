vswitch_SRCS := switch.c port.c fdb.c forward.c drop.c congestion.c extension.c frame.c checksum.c \
	policy.c policy_team.c vlan.c storm.c guard.c guard_parse.c guard_address.c mirror.c \
	offload.c egress.c capture.c capture_filter.c capture_ring.c capture_block.c pcapng.c stream.c uplink.c uplink_stream.c uplink_tap.c
vswitch_USES := base
vswitch_PKGS := libpcap
vswitch_TESTS := fdb_test.c forward_test.c offload_test.c congestion_test.c invariant_test.c \
	policy_test.c vlan_test.c guard_test.c guard_address_test.c mirror_test.c stream_test.c tap_test.c pcapng_test.c \
	capture_test.c capture_filter_test.c capture_ring_test.c capture_uplink_test.c bandwidth_uplink_test.c

# ACLs and bandwidth.
vswitch_SRCS += headers.c flow.c flow_frame.c acl.c acl_match.c acl_step.c acl_flows.c acl_fragments.c acl_save.c \
	bandwidth.c bandwidth_limit.c bandwidth_share.c
vswitch_TESTS += headers_test.c flow_test.c acl_test.c acl_match_test.c acl_flows_test.c acl_related_test.c bandwidth_test.c

# Multicast.
vswitch_SRCS += snoop.c snoop_parse.c
vswitch_TESTS += snoop_test.c snoop_parse_test.c

# Uplinks and teams.
vswitch_SRCS += uplink_wire.c uplink_interface.c uplink_packet.c uplink_vnet.c uplink_link.c lacp.c lacp_pdu.c \
	team.c team_path.c team_select.c team_announce.c \
	host_share.c host_record.c host_netlink.c
vswitch_PKGS += libmnl
vswitch_TESTS += packet_test.c lacp_test.c team_select_test.c team_test.c host_test.c

# Extensions and the life cycle.
vswitch_TESTS += life_test.c extension_test.c extension_held_test.c extension_control_test.c extension_fault_test.c
vswitch_SRCS += nic.c extension_frames.c extension_held.c extension_life.c extension_property.c \
	extension_refs.c extension_request.c extension_services.c extension_save.c extension_load.c \
	extension_remote.c extension_remote_attach.c extension_remote_events.c extension_remote_frames.c \
	extension_remote_ask.c remote_ring.c remote_frame.c

# Neighbours of teams: the kernel's bridge, twenty seconds, with the soak; Open vSwitch, twelve, in one variant.
vswitch_SOAK_TESTS := team_peers_test.c
ifeq ($(SAN),)
vswitch_TESTS += team_ovs_test.c
else
vswitch_SOAK_TESTS += team_ovs_test.c
endif

# The others have one thread.
ifeq ($(SAN),thread)
vswitch_TESTS := capture_ring_test.c stream_test.c tap_test.c
endif
