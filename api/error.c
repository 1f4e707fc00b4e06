/* SPDX-License-Identifier: MIT */
#include "api/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int rpc_fail(struct rpc_error *err, enum rpc_code code, const char *what, const char *format, ...)
{
	va_list ap;

	memset(err, 0, sizeof(*err));
	err->code = code;
	snprintf(err->what, sizeof(err->what), "%s", what ? what : "");
	va_start(ap, format);
	vsnprintf(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	return -1;
}

int rpc_detail(struct rpc_error *err, const char *name, const char *format, ...)
{
	const int i = err->detail[0].name ? 1 : 0;
	va_list ap;

	err->detail[i].name = name;
	va_start(ap, format);
	vsnprintf(err->detail[i].value, sizeof(err->detail[i].value), format, ap);
	va_end(ap);
	return -1;
}

/* Replies. A text that is cut in the middle of a character must not make the whole reply vanish. */

static json_t *text(const char *s)
{
	json_t *t = json_string(s);

	return t ? t : json_string("(text that is not UTF-8)");
}

json_t *rpc_error_object(const struct rpc_error *err)
{
	json_t *e = json_object(), *data = json_object();

	json_object_set_new(e, "code", json_integer(err->code));
	json_object_set_new(e, "message", text(err->message));
	if (err->what[0])
		json_object_set_new(data, "what", text(err->what));
	for (int i = 0; i < 2 && err->detail[i].name; i++)
		json_object_set_new(data, err->detail[i].name, text(err->detail[i].value));
	if (json_object_size(data))
		json_object_set(e, "data", data);
	json_decref(data);
	return e;
}
