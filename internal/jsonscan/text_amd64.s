#include "textflag.h"

// The constants of special in text.go, sixteen bytes at a time.
DATA two<>+0(SB)/8, $0x0202020202020202
DATA two<>+8(SB)/8, $0x0202020202020202
GLOBL two<>(SB), RODATA|NOPTR, $16

DATA behindQuote<>+0(SB)/8, $0x2121212121212121
DATA behindQuote<>+8(SB)/8, $0x2121212121212121
GLOBL behindQuote<>(SB), RODATA|NOPTR, $16

DATA backslash<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA backslash<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL backslash<>(SB), RODATA|NOPTR, $16

// PART sets the bytes of x that end plain text to 0xff. Compared with sign, a
// byte that is not ASCII is negative and thereby below 0x21 as well.
#define PART(x) \
	MOVO    x, X4    \
	PXOR    X8, X4   \
	MOVO    X9, X5   \
	PCMPGTB X4, X5   \
	PCMPEQB X10, x   \
	POR     X5, x

// func plainBlocks(b []byte) int
TEXT ·plainBlocks(SB), NOSPLIT, $0-32
	MOVQ  b_base+0(FP), SI
	MOVQ  b_len+8(FP), CX
	XORQ  AX, AX
	SUBQ  $64, CX
	MOVOU two<>(SB), X8
	MOVOU behindQuote<>(SB), X9
	MOVOU backslash<>(SB), X10

block:
	CMPQ     AX, CX
	JGT      end
	MOVOU    (SI)(AX*1), X0
	MOVOU    16(SI)(AX*1), X1
	MOVOU    32(SI)(AX*1), X2
	MOVOU    48(SI)(AX*1), X3
	PART(X0)
	PART(X1)
	PART(X2)
	PART(X3)
	POR      X1, X0
	POR      X3, X2
	POR      X2, X0
	PMOVMSKB X0, DX
	TESTL    DX, DX
	JNZ      end
	ADDQ     $64, AX
	JMP      block

end:
	MOVQ AX, ret+24(FP)
	RET
