/* SPDX-License-Identifier: MIT */
/* For tests of the real daemon that link its library: every result is checked against the table of methods. */
#ifndef HVNETD_TEST_API_H
#define HVNETD_TEST_API_H

#include "api/api.h"
#include "hvnetd/test_daemon.h"

/* As call(), with the parameters as a format of json_pack(); NULL: refused. */
static inline json_t *checked(struct hvnet_client *c, const char *method, json_t *params)
{
	const struct rpc_method *m = api_find_method(method);
	const bool dry = json_is_true(json_object_get(params, "dry_run"));
	struct rpc_error why = { 0 };
	json_t *result;

	if (!m)
		abort();
	err.code = 0;
	result = hvnet_call(c, method, params, &err);
	if (result && !dry && field_check(m->result, result, "", &why)) {
		char *text = json_dumps(result, 0);

		printf("%s: %s: %s\n", method, why.message, text);
		free(text);
		CU_FAIL("not as the table says");
	}
	return result;
}

static inline json_t *text_params(const char *text)
{
	json_t *params = json_loads(text, 0, NULL);

	if (!params) {
		printf("no JSON: %s\n", text);
		abort();
	}
	return params;
}

/* 0, or the error's code, which is said if it is not the one that was expected. */
static inline bool gives(struct hvnet_client *c, int code, const char *method, const char *params)
{
	json_t *result = checked(c, method, text_params(params));
	const int got = result ? 0 : err.code;

	json_decref(result);
	if (got != code)
		printf("%s %s: %d %s, not %d\n", method, params, got, result ? "" : err.message, code);
	return got == code;
}

#define GIVES(c, code, method, params) CU_ASSERT_TRUE(gives(c, code, method, params))

/* A member of an answer by its path, "a.b[0].c", as text: a copy in a static buffer; "" where there is none. */
static inline const char *answer(struct hvnet_client *c, const char *method, const char *params, const char *path)
{
	static char text[512];
	json_t *result = checked(c, method, text_params(params));
	const json_t *v = result;
	char name[64];

	while (v && *path) {
		size_t n = strcspn(path, ".[");

		if (*path == '[') {
			v = json_array_get(v, strtoul(path + 1, NULL, 10));
			path = strchr(path, ']') + 1;
		} else {
			snprintf(name, sizeof(name), "%.*s", (int)n, path);
			v = json_object_get(v, name);
			path += n;
		}
		path += *path == '.';
	}
	text[0] = '\0';
	if (json_is_string(v))
		snprintf(text, sizeof(text), "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	else if (json_is_boolean(v))
		snprintf(text, sizeof(text), "%s", json_is_true(v) ? "true" : "false");
	json_decref(result);
	return text;
}

/* Waits until the member of the answer is this. */
static inline bool becomes(struct hvnet_client *c, const char *method, const char *params, const char *path, const char *wanted)
{
	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		if (!strcmp(answer(c, method, params, path), wanted))
			return true;
		usleep(5000);
	}
	printf("%s %s is %s, not %s\n", method, path, answer(c, method, params, path), wanted);
	return false;
}

/* The configuration, to be compared and freed. */
static inline char *config_text(struct hvnet_client *c)
{
	json_t *result = checked(c, "config.show", text_params("{\"limit\":1000}"));
	char *text = json_dumps(json_object_get(result, "config"), JSON_SORT_KEYS);

	json_decref(result);
	return text;
}

/* A connection of its own on which this request is sent; what comes is read by whoever called. */
static inline int send_call(const char *method, const char *params)
{
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = connect_unix(control);
	char line[512];

	snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method, params);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		abort();
	return fd;
}

/* A connection of its own on which events of these kinds come; the first line is the answer. */
static inline int subscribe(const char *kinds)
{
	return send_call("event.subscribe", kinds);
}

/* The next line, or NULL. */
static inline json_t *next_line(int fd)
{
	static char text[65536];
	size_t n = 0;

	while (n < sizeof(text) - 1 && recv(fd, text + n, 1, 0) == 1 && text[n] != '\n')
		n++;
	text[n] = '\0';
	return json_loads(text, 0, NULL);
}

/* The next event, which is as the table says; its name is the answer. */
static inline const char *next_event(int fd, json_t **params)
{
	static char name[64];
	json_t *line = next_line(fd);
	struct rpc_error why = { 0 };

	snprintf(name, sizeof(name), "%s", json_is_string(json_object_get(line, "method")) ?
		 json_string_value(json_object_get(line, "method")) : "");
	*params = json_incref(json_object_get(line, "params"));
	for (const struct api_event *e = api_events; e->name; e++)
		if (!strcmp(e->name, name) && field_check(e->fields, *params, "", &why)) {
			printf("%s: %s\n", name, why.message);
			CU_FAIL("not as the table says");
		}
	json_decref(line);
	return name;
}

#endif
