"""The look of the report, on screen and on paper."""

STYLE = """
:root { --ink: #202124; --grey: #6b6a66; --line: #dedcd6; --paper: #faf9f6;
  --good: #1b6e3c; --bad: #a61b1b; --warn: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem; max-width: 62rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 Georgia, 'Times New Roman', serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem; break-after: avoid; }
p { margin: .6rem 0; max-width: 46rem; }
.lead { color: var(--grey); margin-top: 0; }
.verdict { font-size: 1.15rem; padding: .8rem 1rem; margin: 1.4rem 0; border-left: 6px solid;
  background: #fff; break-inside: avoid; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
table { border-collapse: collapse; width: 100%; font: 13px/1.45 system-ui, Arial, sans-serif; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { color: var(--grey); font-weight: 600; }
.pairs th { width: 13rem; font-weight: 600; color: var(--grey); }
tr, figure { break-inside: avoid; }
code { font: 12px/1.4 ui-monospace, Consolas, monospace; overflow-wrap: anywhere; }
.group { display: inline-block; margin-right: .5ch; }
.spoken { margin: 0 0 .4rem; padding-left: 2rem; font: 14px/1.5 system-ui, Arial, sans-serif;
  color: var(--ink); }
.small { font-size: .85rem; margin: .4rem 0 0; }
figure { margin: 1rem 0; }
figure img, figure svg { display: block; width: 100%; height: auto; background: #fff;
  border: 1px solid var(--line); }
figure svg { max-width: 34rem; }
figcaption { color: var(--grey); font: 13px/1.45 system-ui, Arial, sans-serif; margin-top: .4rem; }
.nowrap { white-space: nowrap; }
@media (max-width: 40rem) {
  body { padding: 1.2rem .9rem; }
  h1 { font-size: 1.5rem; }
  thead { display: none; }
  tr { display: block; padding: .35rem 0; border-bottom: 1px solid var(--line); }
  th, td { display: inline-block; border: 0; padding: 0 .7rem 0 0; max-width: 100%; }
  .pairs th, td:last-child { display: block; width: auto; padding: 0; }
  td:first-child:not(:last-child) { font-weight: 600; }
  .nowrap { white-space: normal; }
}
@page { size: A4; margin: 16mm 14mm; }
@media print {
  body { background: #fff; padding: 0; max-width: none; font-size: 11pt; }
  table { font-size: 9pt; } code { font-size: 8pt; }
  h2, thead { break-after: avoid; } thead { display: table-header-group; }
  .verdict { border: 1px solid; border-left-width: 6px; print-color-adjust: exact; }
  figure img, figure svg { max-height: 240mm; object-fit: contain; }
  figure svg { max-width: 120mm; }
  .sheet { break-before: page; }
}
"""
