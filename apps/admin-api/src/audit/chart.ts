import type { Bar } from './report.js';

/** In units of the SVG, which scales with the page. */
const WIDTH = 960;
const HEIGHT = 220;
const LEFT = 52;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 34;
const MAX_LABELS = 8;
const DAY_SECONDS = 86_400;

/** A text of HTML, XML or an attribute in quotes. What XML cannot hold is left out. */
export const escaped = (text: string): string =>
  text
    // oxlint-disable-next-line no-control-regex -- these are what it is about
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g, '')
    .replace(/[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/** The least of 1, 2 and 5 times a power of ten that is not below: an axis ends there. */
export const axisEnd = (most: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= most)!;
};

const counted = (count: number): string => count.toLocaleString('en-US');

/** `2026-01-31T12:00:00.000Z` as an axis has it; bars of a day or more say no time. */
const timeOf = (at: string, seconds: number): string =>
  seconds >= DAY_SECONDS ? at.slice(0, 10) : `${at.slice(5, 10)} ${at.slice(11, 16)}`;

/**
 * Bars of requests over time: what failed stands on what was skipped, and that on what was done. Programs that read pages aloud tell its title
 * and its description, and each bar its numbers. It uses classes, which the page gives colours.
 */
export const chartOf = (bars: readonly Bar[], seconds: number): string => {
  const totalOf = ({ success, failure, skipped }: Bar): number => success + failure + skipped;
  const all = bars.reduce((sum, bar) => sum + totalOf(bar), 0);
  const failures = bars.reduce((sum, { failure }) => sum + failure, 0);
  const end = axisEnd(Math.max(1, ...bars.map(totalOf)));
  const [plotWidth, plotHeight] = [WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
  const step = plotWidth / Math.max(bars.length, 1);
  const heightOf = (count: number): number => (count / end) * plotHeight;
  const shown = (value: number): string => String(Math.round(value * 100) / 100);
  const drawn = bars.map((bar, index) => {
    const x = LEFT + index * step + step * 0.1;
    let y = TOP + plotHeight;
    const parts = (['success', 'skipped', 'failure'] as const).flatMap((result) => {
      if (bar[result] === 0) return [];
      // One failure among thousands must still be seen.
      const height = Math.max(heightOf(bar[result]), 1.5);
      y -= height;
      return [
        `<rect class="${result}" x="${shown(x)}" y="${shown(y)}" width="${shown(step * 0.8)}" height="${shown(height)}"/>`,
      ];
    });
    if (parts.length === 0) return '';
    const words = `${timeOf(bar.at, seconds)}: ${counted(bar.success)} done, ${counted(bar.failure)} failed, ${counted(bar.skipped)} skipped`;
    return `<g><title>${escaped(words)}</title>${parts.join('')}</g>`;
  });
  const every = Math.max(1, Math.ceil(bars.length / MAX_LABELS));
  const labels = bars.flatMap(({ at }, index) =>
    index % every === 0 && LEFT + index * step < WIDTH - 60
      ? [
          `<text x="${shown(LEFT + index * step)}" y="${HEIGHT - 12}">${escaped(timeOf(at, seconds))}</text>`,
          `<line class="axis" x1="${shown(LEFT + index * step)}" x2="${shown(LEFT + index * step)}" y1="${TOP + plotHeight}" y2="${TOP + plotHeight + 5}"/>`,
        ]
      : [],
  );
  const lines = [0, 0.5, 1].flatMap((part) => {
    const count = end * part;
    if (!Number.isInteger(count)) return [];
    const y = TOP + plotHeight - heightOf(count);
    return [
      `<line class="${part === 0 ? 'axis' : 'grid'}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${shown(y)}" y2="${shown(y)}"/>`,
      `<text class="number" x="${LEFT - 8}" y="${shown(y + 4)}">${counted(count)}</text>`,
    ];
  });
  const description = `${counted(all)} requests in ${bars.length} bars from ${bars[0] ? timeOf(bars[0].at, seconds) : 'nothing'} on (UTC): ${counted(failures)} failed.`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="chart-title chart-words">
<title id="chart-title">Requests over time, by result</title>
<desc id="chart-words">${escaped(description)}</desc>
${[...lines, ...labels, ...drawn].filter((one) => one !== '').join('\n')}
</svg>`;
};
