api_SRCS := api.c api_switch.c api_adapter.c api_port.c api_system.c api_events.c error.c names.c schema.c
api_PKGS := jansson
