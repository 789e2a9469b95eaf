export { parseId, type DatabaseId, type GroupId, type Id, type InstanceId } from './ids.ts';
