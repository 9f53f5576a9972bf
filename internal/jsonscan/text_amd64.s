#include "textflag.h"

// The constants of special in text.go. A backslash is looked for after the bit 2
// was turned over, which makes it 0x5e.
DATA two<>+0(SB)/1, $0x02
GLOBL two<>(SB), RODATA|NOPTR, $1

DATA behindQuote<>+0(SB)/1, $0x21
GLOBL behindQuote<>(SB), RODATA|NOPTR, $1

DATA backslash<>+0(SB)/1, $0x5e
GLOBL backslash<>(SB), RODATA|NOPTR, $1

// func plainAVX2(b []byte) int
//
// Compared with sign, a byte that is not ASCII is negative and thereby below 0x21
// as well. So the lowest of four bytes tells whether one of them ends plain text,
// unless by being a backslash.
TEXT ·plainAVX2(SB), NOSPLIT, $0-32
	MOVQ         b_base+0(FP), SI
	MOVQ         b_len+8(FP), CX
	XORQ         AX, AX
	SUBQ         $128, CX
	VPBROADCASTB two<>(SB), Y8
	VPBROADCASTB behindQuote<>(SB), Y9
	VPBROADCASTB backslash<>(SB), Y10

four:
	CMPQ      AX, CX
	JGT       few
	VPXOR     (SI)(AX*1), Y8, Y0
	VPXOR     32(SI)(AX*1), Y8, Y1
	VPXOR     64(SI)(AX*1), Y8, Y2
	VPXOR     96(SI)(AX*1), Y8, Y3
	VPCMPEQB  Y0, Y10, Y4
	VPCMPEQB  Y1, Y10, Y5
	VPCMPEQB  Y2, Y10, Y6
	VPCMPEQB  Y3, Y10, Y7
	VPMINSB   Y0, Y1, Y0
	VPMINSB   Y2, Y3, Y2
	VPMINSB   Y0, Y2, Y0
	VPCMPGTB  Y0, Y9, Y0
	VPOR      Y4, Y5, Y4
	VPOR      Y6, Y7, Y6
	VPOR      Y4, Y0, Y0
	VPOR      Y6, Y0, Y0
	VPMOVMSKB Y0, DX
	TESTL     DX, DX
	JNZ       few
	SUBQ      $-128, AX
	JMP       four

few:
	ADDQ $96, CX

one:
	CMPQ      AX, CX
	JGT       end
	VPXOR     (SI)(AX*1), Y8, Y0
	VPCMPEQB  Y0, Y10, Y1
	VPCMPGTB  Y0, Y9, Y0
	VPOR      Y1, Y0, Y0
	VPMOVMSKB Y0, DX
	TESTL     DX, DX
	JNZ       found
	ADDQ      $32, AX
	JMP       one

found:
	BSFL DX, DX
	ADDQ DX, AX

end:
	VZEROUPPER
	MOVQ AX, ret+24(FP)
	RET
