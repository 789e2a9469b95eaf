export { untilAskedToEnd } from './end.ts';
export { startProcess, type ProcessDefinition, type RunningProcess } from './process.ts';
export { readRunFile, removeRunFile, writeRunFile, type RunFile } from './run-file.ts';
export { writeAnnouncement } from './announcement.ts';
