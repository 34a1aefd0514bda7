#include "app/qr.h"

#include <qrencode.h>

#include "crypto/wipe.h"

enum {
	QUIET = 4, /* modules around the code (ISO/IEC 18004 section 6.3.8) */
};

/* Modules beyond the code are light. */
static bool
is_light(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return true;
	return !(code->data[y * code->width + x] & 1);
}

bool
sl_qr_write(FILE *out, const char *text, bool colours)
{
	/* none, lower, upper, both: which halves of a character are light */
	static const char *const halves[] = {" ", "\u2584", "\u2580", "\u2588"};
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	if (code == NULL)
		return false;
	for (int y = -QUIET; y < code->width + QUIET; y += 2) {
		fputs(colours ? "\033[40;97m" : "", out);
		for (int x = -QUIET; x < code->width + QUIET; x++)
			fputs(halves[2 * is_light(code, x, y) + is_light(code, x, y + 1)], out);
		fputs(colours ? "\033[0m\n" : "\n", out);
	}
	sl_wipe(code->data, (size_t)code->width * (size_t)code->width);
	QRcode_free(code);
	return true;
}
