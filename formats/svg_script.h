/* What makes the drawing answer clicks; see svg.c for the elements it uses. */
#ifndef PL_FORMATS_SVG_SCRIPT_H
#define PL_FORMATS_SVG_SCRIPT_H

/* Goes into a CDATA section: holds no "]]>" and no name from a profile. */
extern const char pl_svg_script[];

#endif
