/* prices.c - see prices.h. The file comes from deploy/setup/prices.mjs. */
#include "controlplane/main/prices.h"

__asm__(".section .rodata\n"
        ".global weir_default_prices\n"
        "weir_default_prices:\n"
        ".incbin \"" WEIR_PRICES_FILE "\"\n"
        ".byte 0\n"
        ".previous\n");
